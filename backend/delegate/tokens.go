package delegate

import (
	"context"
	"sync"
	"time"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// retryAfter is how long after a reservation that failed the next one is tried,
// unless no token is left.
const retryAfter = 250 * time.Millisecond

// tokens are those that were reserved in the store. It reserves more, one block at a
// time: when half a block is left, in the background.
type tokens struct {
	acquirer lease.Acquirer
	ref      lease.Ref
	size     int
	calls    context.Context // ends with close
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu        sync.Mutex
	blocks    []lease.TokenBlock // not used up, in order
	passed    lease.Token        // the last of those that were handed on
	reserving *reservation       // under way; nil if none is
	notBefore time.Duration      // by lease.Clock: of the next in the background
}

// reservation is a call of the store.
type reservation struct {
	done chan struct{} // closed when it has returned
	err  error         // set before that
}

func newTokens(a lease.Acquirer, ref lease.Ref, size int) *tokens {
	t := &tokens{acquirer: a, ref: ref, size: size, notBefore: lease.Clock()}
	t.calls, t.stop = context.WithCancel(context.Background())
	return t
}

// next returns the token after the newest, 0 if there is none. It takes note of
// those that were handed on.
func (t *tokens) next(c *rules.Counters) lease.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.Token = max(c.Token, t.passed)
	for len(t.blocks) > 0 && t.blocks[0].Last <= c.Token {
		t.blocks = t.blocks[1:]
	}
	if len(t.blocks) == 0 {
		return 0
	}
	b := &t.blocks[0]
	b.First = max(b.First, c.Token+1)
	if len(t.blocks) == 1 && b.Len() <= t.size/2 && lease.Clock() >= t.notBefore {
		t.reserve()
	}
	return b.First
}

// need returns when there are tokens, or why there are none.
func (t *tokens) need(ctx context.Context) error {
	t.mu.Lock()
	if len(t.blocks) > 0 {
		t.mu.Unlock()
		return nil
	}
	r := t.reserve()
	t.mu.Unlock()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reserve begins a reservation, unless one is under way. The caller has the lock.
func (t *tokens) reserve() *reservation {
	if t.reserving != nil {
		return t.reserving
	}
	r := &reservation{done: make(chan struct{})}
	t.reserving = r
	t.running.Go(func() {
		block, err := lease.ReserveTokens(t.calls, t.acquirer, t.ref, t.size)
		t.mu.Lock()
		defer t.mu.Unlock()
		if err == nil {
			t.blocks = append(t.blocks, block)
		} else {
			t.notBefore = lease.Clock() + retryAfter
		}
		t.reserving, r.err = nil, err
		close(r.done)
	})
	return r
}

// pass reserves tokens for who hands them on to others, or takes them for a delegate
// of its own. Those that were reserved before are used no more, since they are older.
func (t *tokens) pass(ctx context.Context, n int) (lease.TokenBlock, error) {
	block, err := lease.ReserveTokens(ctx, t.acquirer, t.ref, n)
	if err == nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.passed = max(t.passed, block.Last)
	}
	return block, err
}

// close gives up what is under way.
func (t *tokens) close() {
	t.stop()
	t.running.Wait()
}
