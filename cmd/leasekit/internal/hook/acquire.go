package hook

import (
	"context"
	"errors"
	"time"

	"github.com/leasekit/leasekit/lease"
)

const (
	keepPlace = time.Minute            // how long a place in line is kept for a call that was refused
	firstAsk  = 50 * time.Millisecond  // between asking again, at first
	lastAsk   = 500 * time.Millisecond // and at most
	answerBy  = time.Second            // what is left of the deadline to say so
)

// acquire asks for a lease, and waits in line if the settings say so. The place
// outlives this process for a while: the same call finds it again.
func (c *caller) acquire(ctx context.Context, m lease.Acquirer, r lease.Request) (lease.Lease, error) {
	until := time.Now().Add(c.settings.Wait)
	if d, ok := ctx.Deadline(); ok && until.After(d.Add(-answerBy)) {
		until = d.Add(-answerBy)
	}
	if c.settings.Wait > 0 {
		r.QueueTTL = keepPlace
	}
	anew := 0
	for pause := firstAsk; ; pause = min(2*pause, lastAsk) {
		if c.orphaned() {
			return lease.Lease{}, errOrphaned
		}
		l, err := m.TryAcquire(ctx, r)
		switch {
		case err == nil:
			return l, nil
		case errors.Is(err, lease.ErrLost) && anew < 2:
			// This request has ended before: the turn's end was not noted down,
			// or an operator ended it. Or its parent has ended.
			if anew++; anew == 2 {
				r.Parent = lease.Ref{}
			}
			r.ID = lease.NewID()
			continue
		case errors.Is(err, lease.ErrDisabled) && r.QueueTTL > 0:
			r.QueueTTL = 0 // waiting is switched off
			continue
		case !errors.Is(err, lease.ErrConflict) || errors.Is(err, lease.ErrDeadlock) || r.QueueTTL == 0:
			return lease.Lease{}, err
		}
		if time.Until(until) < pause {
			return lease.Lease{}, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return lease.Lease{}, err
		}
	}
}
