package conformance

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// lostReplyCases: a step may be done and its reply lost, or not be done, or be
// done twice; the caller is never left with what it does not know of.
var lostReplyCases = []testCase{
	{"LostReply/Grant", "after an error of a try the path is free again, for the next holder", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		faults.Next(OpAcquire, DropReply)
		r := h.request("a", lease.Paths("f"))
		r.ID = "one"
		_, err := m.TryAcquire(h.Context(), r)
		require.ErrorIs(h, err, lease.ErrUnavailable)
		require.ErrorIs(h, err, ErrInjected)
		require.NotErrorIs(h, err, lease.ErrConflict)
		h.hold("b", lease.Paths("f"))
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindWithdrawn}, h.kinds("one"))
	}},
	{"LostReply/GrantOfAWait", "the same for a call that would have waited", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		faults.Next(OpAcquire, DropReply)
		_, err := m.Acquire(h.Context(), h.request("a", lease.Paths("f")))
		require.ErrorIs(h, err, lease.ErrUnavailable)
		h.hold("b", lease.Paths("f"))
	}},
	{"LostReply/SameID", "after an error a retry with the same ID is granted", func(h *harness) {
		for i, fault := range []Fault{DropReply, Fail} {
			faults, m := h.faulty(FaultOptions{})
			faults.Next(OpAcquire, fault)
			r := h.request("a", lease.Paths(fmt.Sprint("f", i)))
			r.ID = lease.ID(fmt.Sprint("retried", i))
			_, err := m.TryAcquire(h.Context(), r)
			require.ErrorIs(h, err, lease.ErrUnavailable)
			l := h.acquire(m, r)
			require.Equal(h, l.Token, h.get(r.ID).Token)
		}
		h.counts(2, 0)
	}},
	{"LostReply/PlaceInLine", "if the reply that a place was kept is lost, nobody stays in line", func(h *harness) {
		h.hold("a", lease.SharedPaths("f"))
		faults, m := h.faulty(FaultOptions{})
		faults.Next(OpAcquire, DropReply)
		_, err := m.Acquire(h.Context(), h.request("b", lease.Paths("f")))
		require.ErrorIs(h, err, lease.ErrUnavailable)
		h.hold("c", lease.SharedPaths("f"))
	}},
	{"LostReply/WhileWaiting", "errors of a waiter's later asks do not end its wait while its place lasts", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(9) })
		held := h.hold("a", lease.Paths("f"))
		faults, m := h.faulty(FaultOptions{})
		w := h.wait(m, h.request("b", lease.Paths("f")))
		faults.Next(OpAcquire, Fail, DropReply, Fail)
		h.sleep(7)
		w.stillWaits()
		require.GreaterOrEqual(h, faults.Calls(OpAcquire), 4)
		h.release(held)
		w.soon()
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindGranted}, h.kinds(w.ID))
	}},
	{"LostReply/CutOffWaiter", "a waiter that is cut off from the store gives up when its place has lapsed, and not before, however long it would have waited", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(9) })
		h.hold("a", lease.Paths("f"))
		for _, fault := range []Fault{Fail, Stall} {
			faults, m := h.faulty(FaultOptions{Faults: []Fault{fault}, Ops: []Op{OpAcquire}})
			r := h.request("b", lease.Paths("f"))
			r.Timeout = lease.NoTimeout
			w := h.wait(m, r)
			faults.SetRate(1)
			start := time.Now()
			err := w.failed(lease.ErrUnavailable)
			require.Less(h, time.Since(start), h.units(9)+h.patience())
			require.NotErrorIs(h, err, lease.ErrConflict)
			require.Equal(h, lease.EndLapsed, h.get(w.ID).EndReason)
			require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindLapsed}, h.kinds(w.ID))
		}
		h.counts(1, 0)
	}},
	{"LostReply/Handover", "a waiter whose grant's reply is lost asks again and gets that lease, granted once", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		faults, m := h.faulty(FaultOptions{})
		w := h.wait(m, h.request("b", lease.Paths("f")))
		faults.Next(OpAcquire, DropReply, Fail, DropReply)
		h.release(held)
		l := w.soon()
		require.Equal(h, h.get(w.ID).Token, l.Token)
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindGranted}, h.kinds(w.ID))
	}},
	{"LostReply/Withdrawal", "a withdrawal is repeated until the store has answered it", func(h *harness) {
		h.hold("a", lease.SharedPaths("f"))
		faults, m := h.faulty(FaultOptions{})
		faults.Next(OpWithdraw, Fail, DropReply, Fail)
		r := h.request("b", lease.Paths("f"))
		r.Timeout = h.units(1)
		_, err := m.Acquire(h.Context(), r)
		require.ErrorIs(h, err, lease.ErrTimeout)
		h.eventually("nobody is in line", func() bool { s, err := h.M.Stats(h.Context()); return err == nil && s.Pending == 0 })
		h.hold("c", lease.SharedPaths("f"))
	}},
	{"LostReply/Renewal", "a renewal whose reply is lost has taken effect, loses nothing, and the next one succeeds", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		l := h.brief("a", lease.Paths("f"), 5)
		for _, fault := range []Fault{DropReply, Fail} {
			h.sleep(2)
			faults.Next(OpRenew, fault)
			_, err := m.Renew(h.Context(), l.Ref(), 0)
			require.ErrorIs(h, err, lease.ErrUnavailable)
			require.NotErrorIs(h, err, lease.ErrLost)
		}
		renewed, err := m.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, l.Token, renewed.Token)
		require.Equal(h, 2, renewed.Renewals)
		h.denied("b", lease.Paths("f"))
	}},
	{"LostReply/Release", "a release whose reply is lost is repeated, and is no error", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		l := h.hold("a", lease.Paths("f"))
		faults.Next(OpRelease, DropReply, Fail, DropReply)
		require.NoError(h, m.Release(h.Context(), l.Ref()))
		h.hold("b", lease.Paths("f"))
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindReleased}, h.kinds(l.ID))
	}},
	{"LostReply/DurablePlace", "a place that a client keeps by itself is still its own after a lost reply", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		faults, m := h.faulty(FaultOptions{})
		faults.Next(OpAcquire, DropReply)
		_, err := m.TryAcquire(h.Context(), h.placed("b", 50))
		require.ErrorIs(h, err, lease.ErrUnavailable)
		h.refused(h.M, h.placed("c", 50))
		require.Equal(h, 1, h.refused(m, h.placed("b", 50)).Position)
		h.release(held)
		faults.Next(OpAcquire, DropReply)
		_, err = m.TryAcquire(h.Context(), h.placed("b", 50))
		require.ErrorIs(h, err, lease.ErrUnavailable)
		h.acquire(m, h.placed("b", 50))
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindGranted}, h.kinds("b"))
	}},
	{"LostReply/EverythingTwice", "a driver that sends each call twice changes nothing: every step is safe to repeat", everythingTwice},
	{"LostReply/SlowLink", "a slow link costs time and nothing else: no call has a time limit that the caller did not set", func(h *harness) {
		delay := 300 * time.Millisecond
		if h.fixture.RealTime {
			delay = h.Unit
		}
		_, m := h.faulty(FaultOptions{Rate: 1, Faults: []Fault{Delay, Late}, Delay: delay})
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.Timeout = h.units(50)
		w := h.wait(m, r)
		h.sleep(4)
		h.release(held)
		l := w.granted()
		require.True(h, l.Valid())
		require.NoError(h, m.Release(h.Context(), l.Ref()))
	}},
	{"LostReply/Storm", "holders whose calls keep going wrong exclude each other all the same, and leave nothing that outlives its TTL", storm},
}

// everythingTwice runs through the life of leases on a handle that does each
// step twice.
func everythingTwice(h *harness) {
	_, m := h.faulty(FaultOptions{Rate: 1, Faults: []Fault{Repeat}})
	r := h.request("a", lease.Paths("f"))
	r.MaxRenewals = 2
	l := h.acquire(m, r)
	w := h.wait(m, h.request("b", lease.Paths("f")))
	late := h.wait(m, h.request("c", lease.Paths("f")))
	for i := range 2 {
		renewed, err := m.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, i+1, renewed.Renewals)
	}
	_, err := m.Renew(h.Context(), l.Ref(), 0)
	require.ErrorIs(h, err, lease.ErrRenewalLimit)
	require.NoError(h, m.Release(h.Context(), l.Ref()))
	got := w.soon()
	late.cancel()
	<-late.done
	h.eventually("it left the line", func() bool { return h.get(late.ID).Status == lease.Failed })
	next := h.request("b", lease.SharedPaths("f"))
	next.Replace = got.Ref()
	replaced := h.acquire(m, next)
	require.Equal(h, got.ID, replaced.Replaced)
	require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindGranted, lease.KindReplaced}, h.kinds(w.ID))
	require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindWithdrawn}, h.kinds(late.ID))
	h.counts(1, 0)

	for i := range 3 {
		h.acquire(m, h.request("d", lease.Paths(fmt.Sprint("forced", i))))
	}
	ended, err := m.ForceRelease(h.Context(), lease.Query{Holder: "d", Limit: 1}, lease.Revocation{Actor: "root"})
	require.NoError(h, err)
	require.Len(h, ended, 1)
	h.counts(3, 0)
	ended, err = m.ForceRelease(h.Context(), lease.Query{Holder: "d"}, lease.Revocation{Actor: "root"})
	require.NoError(h, err)
	require.Len(h, ended, 2)
	h.counts(1, 0)
}

// storm lets holders on three faulty handles fight for two paths. The history
// that they leave is replayed when the case is over.
func storm(h *harness) {
	var all sync.WaitGroup
	var every []*Faults
	for i := range 3 {
		faults, m := h.faulty(FaultOptions{
			Seed: uint64(i), Rate: 0.3, Delay: h.Unit / 20,
			Ops: []Op{OpAcquire, OpRenew, OpRelease, OpWithdraw},
		})
		every = append(every, faults)
		for j := range 2 {
			all.Go(func() {
				for range h.rounds(25) {
					r := h.request(fmt.Sprint("h", i, j), lease.Paths("d/f"))
					if j == 1 {
						r.Claims = lease.Trees("d")
					}
					r.TTL, r.Timeout = h.units(5), h.units(2)
					l, err := m.Acquire(h.Context(), r)
					if err == nil {
						_, err = m.Renew(h.Context(), l.Ref(), 0)
						err = errors.Join(err, m.Release(h.Context(), l.Ref()))
					}
					if err != nil && !errors.Is(err, lease.ErrUnavailable) && !errors.Is(err, lease.ErrTimeout) {
						h.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	for _, f := range every {
		f.SetRate(0)
	}
	r := h.request("last", lease.Trees("d"))
	r.Timeout = h.units(5) + h.patience()
	_, err := h.M.Acquire(h.Context(), r)
	require.NoError(h, err)
}
