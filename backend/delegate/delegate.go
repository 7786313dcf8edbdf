// Package delegate grants short leases under one that is held, inside one process
// and without the store: thousands a second.
//
// A worker that holds src/ and runs many tasks below it can ask the store for a
// sub-lease of each (Request.Parent): others see those, from every process, and each
// costs what a lease costs. Or it makes a delegate of what it holds:
//
//	held, err := keeper.Acquire(ctx, lease.Request{Holder: "build-1", Claims: lease.Trees("src")}, nil)
//	...
//	d, err := delegate.New(ctx, m, held, nil)
//	...
//	defer d.Close()
//	l, err := d.Acquire(ctx, lease.Request{Holder: "task-7", Claims: lease.Paths("src/a.go"), TTL: time.Second})
//
// What [New] returns is a lease.Manager like any other, with the same rules: fair
// queues, several paths at once, deadlocks found, renewal, and so on. It knows of the
// lease that it lies under, the parent, and of nothing else in the store:
//
//   - Claims lie within the parent's; others are lease.ErrInvalid, as with
//     Request.Parent. A shared parent covers shared claims only. Among each other the
//     sub-leases exclude each other by their holders, whoever holds the parent.
//   - No sub-lease is valid for longer than the parent is by its local deadline. A
//     renewal of the parent lets the next grant and the next renewal of a sub-lease
//     last longer.
//   - Fencing tokens are taken from blocks that are reserved in the store
//     (lease.ReserveTokens): they rise, are newer than the parent's, and older than
//     that of whoever is granted the paths after the parent. The next block is
//     reserved while half of one is left; where that fails until none is left,
//     requests are lease.ErrUnavailable.
//   - When the parent is no longer held (lost, released, replaced, or its keeping was
//     ended) nothing is granted or renewed any more, and who waits gives up: each with
//     the error of [lease.Held].Err. All sub-leases are revoked then.
//
// Nothing of it is stored. It ends with its process, and others cannot look into it.
// So a sub-lease keeps nobody out once the parent is over: before the parent is
// released its tasks must be done with what they hold. A copy of a lease that was
// handed out before cannot learn by itself that the parent was released or ended by
// force: it is valid until its own end.
//
// It remembers at most 4,096 leases that have ended, and 65,536 events: the newest.
package delegate

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Options configure a delegate; nil is the defaults.
type Options struct {
	// Config is the delegate's own configuration to begin with, which SetConfig
	// changes; its Version does not matter. Nil is lease.DefaultConfig, but without
	// a history.
	Config *lease.Config

	// TokenBlock is how many tokens are reserved at once, up to
	// lease.MaxTokenBlock; 0 is 65,536.
	TokenBlock int

	// Engine is passed on to [backend.New].
	Engine *backend.Options
}

const (
	defaultTokenBlock = 1 << 16
	maxEnded          = 1 << 12
	maxEvents         = 1 << 15
)

// New returns a Manager of leases under held, and reserves the first tokens for it
// through a, from which held came. ctx is for that alone. Close ends the Manager;
// held and a are not closed or released, and outlive it.
//
// [lease.ErrLost] if held is over; [lease.ErrInvalid] for bad options, or if a reserves
// no tokens.
func New(ctx context.Context, a lease.Acquirer, held *lease.Held, o *Options) (lease.Manager, error) {
	if o == nil {
		o = &Options{}
	}
	s, err := newStore(ctx, a, held, o)
	if err != nil {
		return nil, err
	}
	return backend.New(s, o.Engine), nil
}

// check returns what a delegate begins with.
func (o *Options) check() (c lease.Config, block int, err error) {
	c, block = lease.DefaultConfig(), defaultTokenBlock
	c.History = false
	if o.Config != nil {
		c = *o.Config
	}
	if err := c.Validate(); err != nil {
		return c, 0, err
	}
	if o.TokenBlock < 0 || o.TokenBlock > lease.MaxTokenBlock {
		return c, 0, lease.Invalid("token_block", "%d, want 1 to %d, or 0", o.TokenBlock, lease.MaxTokenBlock)
	}
	if o.TokenBlock > 0 {
		block = o.TokenBlock
	}
	return c, block, nil
}
