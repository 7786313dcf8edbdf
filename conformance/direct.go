package conformance

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// direct is a handle that a case asks without an engine between: it asks as the
// engine of another process would, but one that dies, or whose messages arrive
// late or twice.
type direct struct {
	h *harness
	backend.Store
}

// direct returns another handle, to be asked without an engine.
func (h *harness) direct() direct { return direct{h, h.store()} }

// args returns an attempt's first ask, filled in as an engine would. A place of
// 0 makes it a try without one.
func (d direct) args(r lease.Request, attempt string, place time.Duration) backend.AcquireArgs {
	d.h.Helper()
	reply, err := d.Config(d.h.Context())
	require.NoError(d.h, err)
	c := reply.Config
	if r.ID == "" {
		r.ID = lease.NewID()
	}
	if r.MaxRenewals == 0 {
		r.MaxRenewals = c.MaxRenewals
	}
	r.Claims, err = backend.CleanClaims(r.Claims)
	require.NoError(d.h, err)
	return backend.AcquireArgs{
		Request: r, Attempt: attempt, PlaceTTL: place,
		HeadStart: time.Duration(r.Priority) * c.PriorityBoost,
		Deadlock:  c.DeadlockCheck && place > 0, Quota: c.MaxLeasesPerHolder, Blockers: true,
		ConfigVersion: c.Version,
	}
}

// ask sends an ask, repeated while the store has more to do.
func (d direct) ask(a backend.AcquireArgs) backend.AcquireReply {
	d.h.Helper()
	for {
		reply, err := d.Acquire(d.h.Context(), a)
		require.NoError(d.h, err)
		if reply.Outcome != backend.Again {
			return reply
		}
		a.Again = true
	}
}

// withdraw takes an attempt back.
func (d direct) withdraw(a backend.AcquireArgs) backend.WithdrawReply {
	d.h.Helper()
	reply, err := d.Withdraw(d.h.Context(), backend.WithdrawArgs{
		ID: a.Request.ID, Holder: a.Request.Holder, Attempt: a.Attempt, Why: lease.EndCancelled,
	})
	require.NoError(d.h, err)
	return reply
}

// queued requires that a place was kept.
func (d direct) queued(r lease.Request, attempt string, place time.Duration) backend.AcquireArgs {
	d.h.Helper()
	a := d.args(r, attempt, place)
	require.Equal(d.h, backend.Queued, d.ask(a).Outcome)
	return a
}
