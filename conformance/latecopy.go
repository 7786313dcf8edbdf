package conformance

import (
	"context"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// taped is a handle that remembers what an engine asked it, so that a case can
// have a copy arrive later: a message that was held up in the network, or in a
// process that was stopped.
type taped struct {
	backend.Store

	mu    sync.Mutex
	asks  []backend.AcquireArgs
	renew []backend.RenewArgs
}

func (t *taped) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	t.mu.Lock()
	t.asks = append(t.asks, a)
	t.mu.Unlock()
	return t.Store.Acquire(ctx, a)
}

func (t *taped) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	t.mu.Lock()
	t.renew = append(t.renew, a)
	t.mu.Unlock()
	return t.Store.Renew(ctx, a)
}

// taped returns a Manager and the handle behind it.
func (h *harness) taped() (*taped, lease.Manager) {
	t := &taped{Store: h.fixture.Open(h.TB)}
	return t, h.manage(t, nil)
}

// copyOfAsk has a copy of the last ask arrive.
func (t *taped) copyOfAsk(h *harness) backend.AcquireReply {
	h.Helper()
	t.mu.Lock()
	a := t.asks[len(t.asks)-1]
	t.mu.Unlock()
	reply, err := t.Store.Acquire(h.Context(), a)
	require.NoError(h, err)
	return reply
}

// copyOfRenewal has a copy of the nth renewal arrive.
func (t *taped) copyOfRenewal(h *harness, n int) backend.RenewReply {
	h.Helper()
	t.mu.Lock()
	a := t.renew[n]
	t.mu.Unlock()
	reply, err := t.Store.Renew(h.Context(), a)
	require.NoError(h, err)
	return reply
}

// lateCases: calls of which a copy arrives after their engine has their outcome.
var lateCases = []testCase{
	{"LateCopy/AskAfterTheEnd", "a copy of an ask that arrives after the lease's end grants nothing, soon or late", func(h *harness) {
		tape, m := h.taped()
		ctx, cancel := context.WithTimeout(h.Context(), h.units(50))
		defer cancel()
		l, err := m.TryAcquire(ctx, h.request("a", lease.Paths("f")))
		require.NoError(h, err)
		h.release(l)
		require.Equal(h, backend.Gone, tape.copyOfAsk(h).Outcome)
		h.free("f")
		h.sleep(51)
		reply := tape.copyOfAsk(h)
		require.Equal(h, backend.Late, reply.Outcome)
		require.False(h, reply.Now.IsZero())
		h.free("f")
		h.counts(0, 0)
	}},
	{"LateCopy/AskAfterItsTime", "a copy of an ask that arrives after its caller has given up does nothing, whatever the store remembers", func(h *harness) {
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "try", h.units(50))
		now := d.now()
		a.NotAfter = now.Add(h.units(2))
		h.sleep(3)
		before := h.stats().Head
		reply := d.ask(a)
		require.Equal(h, backend.Late, reply.Outcome)
		require.True(h, reply.Now.After(a.NotAfter))
		require.Equal(h, before, h.stats().Head)
		h.counts(0, 0)
		a.NotAfter = reply.Now.Add(h.units(50))
		require.Equal(h, backend.Done, d.ask(a).Outcome)
	}},
	{"LateCopy/AskForAPlaceGivenUp", "a copy of an ask that arrives after Release gave up its place gets no new one, whichever attempt asked", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		d := h.direct()
		first := d.queued(h.request("b", lease.Paths("f")), "one", h.units(100))
		second := first
		second.Attempt = "two"
		require.Equal(h, backend.Queued, d.ask(second).Outcome)
		require.NoError(h, h.M.Release(h.Context(), lease.Ref{ID: first.Request.ID, Holder: "b"}))
		h.release(held)
		require.Equal(h, backend.Withdrawn, d.ask(first).Outcome)
		require.Equal(h, backend.Withdrawn, d.ask(second).Outcome)
		h.counts(0, 0)
		first.Again = true
		reply := d.ask(first)
		require.Equal(h, backend.Gone, reply.Outcome, "a call that still waits is told who gave it up")
		require.ErrorIs(h, reply.End.Err, lease.ErrReleased)
		third := first
		third.Attempt, third.Again = "three", false
		require.Equal(h, backend.Done, d.ask(third).Outcome, "the request may be made again")
	}},
	{"LateCopy/Renewal", "a copy of a renewal neither counts again nor moves the expiry, whatever was renewed since", func(h *harness) {
		tape, m := h.taped()
		l := h.hold("a", lease.Paths("f"))
		long, err := m.Renew(h.Context(), l.Ref(), h.units(900))
		require.NoError(h, err)
		require.Equal(h, backend.Done, tape.copyOfRenewal(h, 0).Outcome, "a repeat is answered as the first was")
		h.sameLease(long, h.get(l.ID))
		short, err := m.Renew(h.Context(), l.Ref(), h.units(300))
		require.NoError(h, err)
		require.Equal(h, 2, short.Renewals)
		reply := tape.copyOfRenewal(h, 0)
		require.Equal(h, backend.Overtaken, reply.Outcome)
		require.Equal(h, tape.renew[1].Op, reply.Op)
		h.sameLease(short, h.get(l.ID))
	}},
	{"LateCopy/RenewalsOfTwoProcesses", "processes that renew one lease in turns count each renewal once", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		managers := []lease.Manager{h.M, h.open(), h.open()}
		for i := range 12 {
			renewed, err := managers[i%3].Renew(h.Context(), l.Ref(), 0)
			require.NoError(h, err)
			require.Equal(h, i+1, renewed.Renewals)
		}
	}},
	{"LateCopy/ManyCallsForOneID", "however many calls ask for one ID, nothing is left when all have given up, and one that still waits is granted", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.ID, r.Timeout = "mine", lease.NoTimeout
		ctx, cancel := context.WithCancel(h.Context())
		defer cancel()
		var calls sync.WaitGroup
		give := func(ctx context.Context, m lease.Manager) {
			calls.Go(func() {
				if _, err := m.Acquire(ctx, r); err == nil {
					h.Error("granted")
				}
			})
		}
		other := h.open()
		for range 15 {
			give(ctx, h.M)
			give(ctx, other)
		}
		h.eventually("they wait in line", func() bool { return h.stats().Pending == 1 })
		h.settle()
		cancel()
		calls.Wait()
		h.eventually("the place is given up", func() bool { return h.stats().Pending == 0 })
		h.release(held)
		h.free("f")
		h.counts(0, 0)
	}},
	{"LateCopy/PlaceIsNotShortened", "an Acquire that asks for a place with a QueueTTL never shortens it", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(5) })
		h.hold("a", lease.Paths("f"))
		h.refused(h.M, h.placed("b", 60))
		until := h.get("b").ExpiresAt
		r := h.placed("b", 60)
		r.QueueTTL, r.Timeout = 0, h.units(2)
		_, err := h.M.Acquire(h.Context(), r)
		require.ErrorIs(h, err, lease.ErrTimeout)
		require.False(h, h.get("b").ExpiresAt.Before(until))
		h.sleep(20)
		h.counts(1, 1)
	}},
}

// now reads the store's clock.
func (d direct) now() time.Time {
	d.h.Helper()
	reply, err := d.Config(d.h.Context())
	require.NoError(d.h, err)
	return reply.Now
}
