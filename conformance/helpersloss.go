package conformance

import (
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// lossCases: renewals that go wrong, and what the holder is told when.
var lossCases = []testCase{
	{"Loss/OneFailure", "one renewal that fails does not lose a lease", func(h *harness) { h.survives(Fail) }},
	{"Loss/LostReply", "a renewal whose reply is lost does not lose a lease", func(h *harness) { h.survives(DropReply) }},
	{"Loss/OneStall", "one renewal that hangs does not lose a lease", func(h *harness) { h.survives(Stall) }},
	{"Loss/LateReply", "a renewal whose reply is late does not lose a lease", func(h *harness) { h.survives(Late) }},
	{"Loss/Repeated", "a renewal that the driver repeats is one renewal", func(h *harness) { h.survives(Repeat) }},
	{"Loss/LastRenewal", "a lost reply to the last renewal that is allowed does not end the lease early: it is kept for as long as the store has it", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		r := h.shortly("a", lease.Paths("f"))
		r.MaxRenewals = 1
		held := h.keep(h.keeper(m), m, r, nil)
		faults.Next(OpRenew, DropReply)
		h.sleep(short) // the end, had it not been renewed
		require.NoError(h, held.Err())
		require.True(h, held.Lease().Valid())
		h.denied("b", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		<-held.Context().Done()
		w.stillWaits()
		h.lost(held.Err(), lease.ErrExpired)
		require.ErrorIs(h, held.Err(), lease.ErrRenewalLimit)
		w.granted()
	}},
	{"Loss/LastRenewalUnknown", "the same if the store then cannot be asked how long the lease lasts: it is asked again", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		r := h.shortly("a", lease.Paths("f"))
		r.MaxRenewals = 1
		held := h.keep(h.keeper(m), m, r, nil)
		faults.Next(OpRenew, DropReply)
		faults.Next(OpList, Fail)
		h.sleep(short)
		require.NoError(h, held.Err())
		require.NoError(h, held.Release(h.Context()))
		h.free("f")
	}},
	{"Loss/BadLink", "leases are kept over a link that fails every third call", func(h *harness) {
		faults, m := h.faulty(FaultOptions{Seed: 1, Ops: []Op{OpRenew}})
		k := h.keeper(m)
		var all []*lease.Held
		for i := range 20 {
			all = append(all, h.keep(k, m, h.shortly("a", lease.Paths(fmt.Sprint(i))), nil))
		}
		faults.SetRate(1. / 3)
		h.sleep(4 * short)
		for _, held := range all {
			require.NoError(h, held.Err())
		}
		faults.SetRate(0)
		require.NoError(h, k.ReleaseAll(h.Context()))
		h.counts(0, 0)
	}},
	{"Loss/OutageAfterAnOutage", "a renewal that fails is tried again as soon as ever, however often others failed before the last one that went well", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		r := h.request("a", lease.Paths("f"))
		r.TTL = h.units(100)
		held := h.keep(h.keeper(m), m, r, nil)
		for _, failures := range []int{5, 1} {
			first := faults.Calls(OpRenew)
			for range failures {
				faults.Next(OpRenew, Fail)
			}
			attempts := func(n int) time.Time {
				for faults.Calls(OpRenew) < first+n {
					h.pass(h.Unit / 10)
				}
				return time.Now()
			}
			failed := attempts(1)
			require.Less(h, attempts(2).Sub(failed), r.TTL/20)
			attempts(failures + 1)
		}
		require.NoError(h, held.Err())
	}},
	{"Loss/CutOff", "a holder that is cut off hears of it before anybody else is granted the path, every time", func(h *harness) { h.cutOff(Fail) }},
	{"Loss/BlackHole", "a holder whose calls get no answer hears of it before anybody else is granted the path, every time", func(h *harness) { h.cutOff(Stall) }},
}

// survives has one renewal go wrong after the other has gone right, again and
// again.
func (h *harness) survives(fault Fault) {
	faults, m := h.faulty(FaultOptions{})
	held := h.keep(h.keeper(m), m, h.shortly("a", lease.Paths("f")), nil)
	for range 3 {
		faults.Next(OpRenew, fault)
		h.sleep(short)
		require.NoError(h, held.Err())
		h.denied("b", lease.Paths("f"))
	}
	require.Greater(h, faults.Calls(OpRenew), 3)
	require.NoError(h, held.Release(h.Context()))
	h.free("f")
}

// cutOff has all renewals of many leases, granted one after the other, go wrong
// at one moment, which finds each at another one between two renewals, and
// compares when its holder is told with when somebody else, who waits, is
// granted the path.
func (h *harness) cutOff(fault Fault) {
	const leases = 25
	faults, m := h.faulty(FaultOptions{Faults: []Fault{fault}, Ops: []Op{OpRenew}})
	k := h.keeper(m)
	told, granted := make([]time.Time, leases), make([]time.Time, leases)
	errs := make([]error, leases)
	var group sync.WaitGroup
	for i := range leases {
		path := lease.Paths(fmt.Sprint(i))
		held := h.keep(k, m, h.shortly("a", path), nil)
		ctx := held.Context()
		group.Go(func() {
			<-ctx.Done()
			told[i] = time.Now()
		})
		group.Go(func() {
			_, errs[i] = h.M.Acquire(h.Context(), h.request(fmt.Sprint("b-", i), path))
			granted[i] = time.Now()
		})
		h.pass(h.Unit / 4)
	}
	h.sleep(2 * short)
	faults.SetRate(1)
	group.Wait()
	for i := range leases {
		require.NoError(h, errs[i])
		require.True(h, told[i].Before(granted[i]), "the holder of %d was told %v after another was granted it", i, told[i].Sub(granted[i]))
	}
	h.counts(leases, 0)
	require.NoError(h, k.ReleaseAll(h.Context()), "nothing is kept any more")
}
