package conformance

import (
	"context"
	"errors"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// replaceCases: giving up a lease in the same step as its successor is granted.
var replaceCases = append([]testCase{
	{"Replace/Upgrade", "a reader that is alone becomes the writer in one step, with a newer token, and the old lease names its successor", func(h *harness) {
		old := h.hold("a", lease.SharedPaths("f"))
		l := h.change(old, "a", lease.Paths("f"))
		require.Equal(h, old.ID, l.Replaced)
		require.Greater(h, l.Token, old.Token)
		h.denied("b", lease.SharedPaths("f"))
		_, err := h.M.Renew(h.Context(), old.Ref(), 0)
		require.Equal(h, l.ID, h.lost(err, lease.ErrReplaced).Successor)
		ended := h.get(old.ID)
		require.Equal(h, lease.Released, ended.Status)
		require.Equal(h, lease.EndReplaced, ended.EndReason)
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindReplaced}, h.kinds(old.ID))
		h.counts(1, 0)
	}},
	{"Replace/UpgradeWaits", "an upgrade waits for the other readers, and holds what it has until then", func(h *harness) {
		old, other := h.hold("a", lease.SharedPaths("f")), h.hold("b", lease.SharedPaths("f"))
		r := h.request("a", lease.Paths("f"))
		r.Replace = old.Ref()
		w := h.wait(h.M, r)
		w.stillWaits()
		require.Equal(h, lease.Active, h.get(old.ID).Status)
		h.denied("c", lease.Paths("f"))
		h.release(other)
		require.Equal(h, old.ID, w.soon().Replaced)
		h.counts(1, 0)
	}},
	{"Replace/RefusedKeepsTheOld", "a replacement that is refused leaves the old lease as it was", func(h *harness) {
		old := h.hold("a", lease.Paths("f"))
		h.hold("b", lease.Paths("g"))
		r := h.request("a", lease.Paths("f", "g"))
		r.Replace = old.Ref()
		h.refused(h.M, r)
		require.Equal(h, lease.Active, h.get(old.ID).Status)
		h.denied("c", lease.Paths("f"))
		_, err := h.M.Renew(h.Context(), old.Ref(), 0)
		require.NoError(h, err)
	}},
	{"Replace/Moves", "a lease may be replaced by one of other paths, in one step", func(h *harness) {
		old := h.hold("a", lease.Paths("f"))
		h.change(old, "a", lease.Paths("g"))
		h.hold("b", lease.Paths("f"))
		h.denied("b", lease.Paths("g"))
	}},
	{"Replace/Transfer", "a lease is handed to another holder by its full Ref, past those who wait for it, and recorded as transferred", func(h *harness) {
		old := h.hold("a", lease.Paths("f"))
		w := h.queue("w", lease.Paths("f"))
		l := h.change(old, "b", lease.Paths("f"))
		w.stillWaits()
		require.Equal(h, lease.EndTransferred, h.get(old.ID).EndReason)
		_, err := h.M.Renew(h.Context(), old.Ref(), 0)
		require.Equal(h, l.ID, h.lost(err, lease.ErrReplaced).Successor)
		for e, err := range h.M.History(h.Context(), lease.Query{Kinds: []lease.Kind{lease.KindTransferred}}) {
			require.NoError(h, err)
			require.Equal(h, old.ID, e.Lease.ID)
			require.Equal(h, "b", e.Actor)
		}
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindTransferred}, h.kinds(old.ID))
		h.release(l)
		w.soon()
	}},
	{"Replace/TransferNeverWaits", "a transfer is granted or refused at once, even by Acquire: its old owner would wait for it", func(h *harness) {
		old := h.hold("a", lease.Paths("f"))
		h.hold("c", lease.Paths("g"))
		r := h.request("b", lease.Paths("f", "g"))
		r.Replace, r.Timeout = old.Ref(), lease.NoTimeout
		w := h.wait(h.M, r)
		w.returns()
		w.failed(lease.ErrConflict)
		require.NotErrorIs(h, w.err, lease.ErrTimeout)
		require.Equal(h, lease.Active, h.get(old.ID).Status)
		h.counts(2, 0)
	}},
	{"Replace/TransferMeetsTheReceiver", "for a transfer the receiver's own leases are no obstacle", func(h *harness) {
		old := h.hold("a", lease.SharedPaths("f"))
		h.hold("b", lease.SharedPaths("f"))
		h.change(old, "b", lease.Paths("f"))
	}},
	{"Replace/DistinctGivesUpItsOwn", "the lease given up is no obstacle to a distinct request, the holder's other ones are", func(h *harness) {
		old := h.hold("a", lease.SharedPaths("f"))
		other := h.hold("a", lease.SharedPaths("f"))
		r := h.request("a", lease.Paths("f"))
		r.Distinct, r.Replace = true, old.Ref()
		require.Equal(h, other.ID, h.refused(h.M, r).Blockers[0].ID)
		h.release(other)
		h.acquire(h.M, r)
	}},
	{"Replace/WrongRef", "replacing takes the full and right Ref, and a wrong one changes nothing", func(h *harness) {
		old := h.hold("a", lease.Paths("f"))
		for _, wrong := range []struct {
			ref lease.Ref
			err error
		}{
			{lease.Ref{ID: old.ID, Holder: "a", Token: old.Token + 1}, lease.ErrNotHolder},
			{lease.Ref{ID: old.ID, Holder: "b", Token: old.Token}, lease.ErrNotHolder},
			{lease.Ref{ID: "no such", Holder: "a", Token: old.Token}, lease.ErrNotFound},
		} {
			for _, holder := range []string{"a", "b"} {
				r := h.request(holder, lease.Paths("f"))
				r.Replace = wrong.ref
				_, err := h.M.TryAcquire(h.Context(), r)
				h.lost(err, wrong.err)
				_, err = h.M.Acquire(h.Context(), r)
				h.lost(err, wrong.err)
			}
		}
		require.Equal(h, lease.Active, h.get(old.ID).Status)
		h.counts(1, 0)
	}},
	{"Replace/OneWins", "of many requests that replace one lease exactly one is granted, and the others learn that it was replaced", func(h *harness) {
		old := h.hold("a", lease.Paths("f"))
		managers := []lease.Manager{h.M, h.open()}
		var mu sync.Mutex
		granted, told := 0, 0
		var all sync.WaitGroup
		for i := range 10 {
			r := h.request("a", lease.Paths("f"))
			r.Replace = old.Ref()
			all.Go(func() {
				_, err := managers[i%2].TryAcquire(h.Context(), r)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					granted++
				} else if errors.Is(err, lease.ErrReplaced) {
					told++
				}
			})
		}
		all.Wait()
		require.Equal(h, [2]int{1, 9}, [2]int{granted, told})
		h.counts(1, 0)
	}},
	{"Replace/AskedAgain", "asked for again with the same ID a replacement returns its lease, although what it replaced is gone", func(h *harness) {
		old := h.hold("a", lease.Paths("f"))
		r := h.request("a", lease.Paths("f"))
		r.ID, r.Replace = "one", old.Ref()
		l := h.acquire(h.M, r)
		require.Equal(h, l.Token, h.acquire(h.M, r).Token)
	}},
	{"Replace/NotTakenBack", "a grant that replaced a lease is never given back: its withdrawal is refused with the lease", func(h *harness) {
		d := h.direct()
		old := h.hold("a", lease.Paths("f"))
		r := h.request("a", lease.Paths("f"))
		r.Replace = old.Ref()
		a := d.args(r, "first", h.units(50))
		l := d.ask(a).Lease
		reply := d.withdraw(a)
		require.Equal(h, backend.Refused, reply.Outcome)
		require.Equal(h, l.Token, reply.Lease.Token)
		require.Positive(h, reply.Remaining)
		require.Equal(h, lease.Active, h.get(l.ID).Status)
	}},
	{"Replace/WaitTakenBack", "an upgrade that still waits is withdrawn like any other, and keeps the old lease", func(h *harness) {
		old, other := h.hold("a", lease.SharedPaths("f")), h.hold("b", lease.SharedPaths("f"))
		r := h.request("a", lease.Paths("f"))
		r.Replace = old.Ref()
		w := h.wait(h.M, r)
		w.cancel()
		w.failed(context.Canceled)
		h.release(other)
		require.Equal(h, lease.Active, h.get(old.ID).Status)
		h.eventually("no waiter is left", func() bool { return h.get(w.ID).Status == lease.Failed })
		h.hold("b", lease.SharedPaths("f"))
	}},
	{"Replace/SurvivesACancel", "Acquire returns a grant that replaced a lease even if its context ended meanwhile", func(h *harness) {
		old := h.hold("a", lease.Paths("f"))
		faults := NewFaults(h.fixture.Open(h.TB), FaultOptions{Delay: h.units(2)})
		m := h.manage(faults, nil)
		_, err := m.Config(h.Context())
		require.NoError(h, err)
		faults.Next(OpAcquire, Late)
		r := h.request("a", lease.Paths("f"))
		r.Replace = old.Ref()
		ctx, cancel := context.WithTimeout(h.Context(), h.units(1))
		defer cancel()
		l, err := m.Acquire(ctx, r)
		require.NoError(h, err)
		require.Equal(h, old.ID, l.Replaced)
		require.True(h, l.Valid())
		_, err = h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
	}},
	{"Replace/WithinTheQuota", "what is replaced does not count against the quota", func(h *harness) {
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 1 })
		old := h.hold("a", lease.Paths("f"))
		_, err := h.M.TryAcquire(h.Context(), h.request("a", lease.Paths("g")))
		require.ErrorIs(h, err, lease.ErrQuota)
		h.change(old, "a", lease.Paths("f", "g"))
	}},
	{"Replace/GoneWhileItWaits", "an upgrade in line fails at once, with the reason, when the lease it would replace ends", func(h *harness) {
		old := h.hold("a", lease.SharedPaths("f"))
		h.hold("b", lease.SharedPaths("f"))
		r := h.request("a", lease.Paths("f"))
		r.Replace = old.Ref()
		w := h.wait(h.M, r)
		reader := h.queue("r", lease.SharedPaths("f"))
		_, err := h.M.ForceRelease(h.Context(), lease.Query{ID: old.ID}, lease.Revocation{Actor: "root", Reason: "stuck"})
		require.NoError(h, err)
		w.returns()
		lost := h.lost(w.err, lease.ErrRevoked)
		require.Equal(h, "stuck", lost.Reason)
		reader.soon()
	}},
	{"Replace/ExpiredWhileItWaits", "the same when that lease expires", func(h *harness) {
		old := h.brief("a", lease.SharedPaths("f"), 4)
		h.hold("b", lease.SharedPaths("f"))
		r := h.request("a", lease.Paths("f"))
		r.Replace, r.Timeout = old.Ref(), lease.NoTimeout
		w := h.wait(h.M, r)
		h.expire(old)
		_, err := h.M.Sweep(h.Context()) // somebody comes across its end
		require.NoError(h, err)
		w.returns()
		w.failed(lease.ErrExpired)
	}},
}, forEachEnd("Replace/Of", "replacing a lease that has ended fails with that lease's error, and leaves nothing", func(h *harness, e end) {
	l := h.brief("a", lease.Paths("f"), 5)
	e.make(h, l)
	r := h.request("a", lease.Paths("g"))
	r.Replace = l.Ref()
	_, err := h.M.TryAcquire(h.Context(), r)
	e.check(h, l, err)
	_, err = h.M.Acquire(h.Context(), r)
	e.check(h, l, err)
	h.hold("b", lease.Paths("g"))
})...)

// change replaces a lease by one of other claims.
func (h *harness) change(old lease.Lease, holder string, claims []lease.Claim) lease.Lease {
	h.Helper()
	r := h.request(holder, claims)
	r.Replace = old.Ref()
	return h.acquire(h.M, r)
}
