package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Stores read, end and wake in portions: of 32 and 64 waiters, 100 ends, 100
// blockers, 128 operations, 200 or 512 records of a list, 1000 events. These
// cases stand at, below or above such a bound: what is true of five records must
// be true of 513.

// sizeCases: numbers around the bounds of stores.
var sizeCases = []testCase{
	{"Sizes/ExpiredBesideALivingOne", "one lease that lives excludes others, however many unswept ones have expired beside it", func(h *harness) {
		h.manualSweep()
		sizes := []int{31, 33, 65, 100, 101, 129, 201}
		living := map[int]lease.Lease{}
		for _, n := range sizes {
			path := fmt.Sprint("f", n)
			for i := range n {
				if i == n/2 {
					living[n] = h.hold("live", lease.SharedPaths(path))
				}
				h.brief(fmt.Sprint("h", i), lease.SharedPaths(path), 40)
			}
		}
		h.sleep(42)
		for _, n := range sizes {
			path := fmt.Sprint("f", n)
			conflict := h.denied("x", lease.Paths(path))
			require.Equal(h, 1, conflict.Count, "beside %d", n)
			require.Equal(h, living[n].ID, conflict.Blockers[0].ID, "beside %d", n)
			h.release(living[n])
			h.hold("x", lease.Paths(path))
		}
	}},
	{"Sizes/LapsedBeforeALivingOne", "one who waits keeps its turn, however many unswept waiters have lapsed before it", func(h *harness) {
		h.manualSweep()
		d := h.direct()
		sizes := []int{32, 65, 101}
		held := map[int]lease.Lease{}
		for _, n := range sizes {
			path := fmt.Sprint("f", n)
			held[n] = h.hold("own", lease.Paths(path))
			for i := range n {
				d.queued(h.request(fmt.Sprint("h", i), lease.Paths(path)), fmt.Sprint(n, " try ", i), h.units(40))
			}
		}
		h.sleep(42)
		for _, n := range sizes {
			path := fmt.Sprint("f", n)
			living := d.queued(h.request("live", lease.Paths(path)), fmt.Sprint("live ", n), h.units(600))
			h.release(held[n])
			conflict := h.denied("x", lease.Paths(path))
			require.Equal(h, 1, conflict.Count, "behind %d", n)
			require.Equal(h, "live", conflict.Blockers[0].Holder)
			living.Again = true
			require.Equal(h, backend.Done, d.ask(living).Outcome, "behind %d", n)
		}
	}},
	{"Sizes/Rings", "a deadlock is found in a ring of any number of holders up to 64", func(h *harness) {
		d := h.direct()
		for _, n := range []int{2, 3, 10, 33, 64} {
			holder := func(i int) string { return fmt.Sprintf("%d-%02d", n, i%n) }
			path := func(i int) []lease.Claim { return lease.Paths(fmt.Sprintf("ring%d/%d", n, i%n)) }
			for i := range n {
				h.hold(holder(i), path(i))
			}
			for i := range n - 1 {
				d.queued(h.request(holder(i), path(i+1)), fmt.Sprint(n, " try ", i), h.units(600))
			}
			require.Len(h, h.deadlocked(h.M, h.request(holder(n-1), path(0))).Cycle, n, "a ring of %d", n)
		}
	}},
	{"Sizes/LastClaimConflicts", "whichever of however many claims conflicts, the request is refused, and told which", func(h *harness) {
		h.hold("a", lease.Paths("z/exact"))
		h.hold("b", lease.Trees("z/tree"))
		h.hold("c", lease.SharedPaths("z/shared"))
		for _, n := range []int{1, 2, 3, 4, 5, 17, 33, 255} {
			var claims []lease.Claim
			for i := range n - 1 {
				claims = append(claims, lease.Claim{Path: fmt.Sprintf("a/%03d", i), Scope: lease.Scope(i % 2)})
			}
			for _, last := range []lease.Claim{
				{Path: "z/exact"}, {Path: "z/tree/below"}, {Path: "z/shared"}, {Path: "z/exact", Mode: lease.Shared},
				{Path: "z", Scope: lease.Tree}, {Path: "z", Scope: lease.Tree, Mode: lease.Shared},
			} {
				conflict := h.denied("x", append(claims[:n-1:n-1], last))
				require.Equal(h, last, conflict.Blockers[0].Asked, "of %d claims", n)
			}
			free := append(claims[:n-1:n-1], lease.Claim{Path: "z/shared", Mode: lease.Shared})
			h.release(h.hold("x", free))
		}
	}},
	{"Sizes/ListPastPagesWithoutAMatch", "a list finds what lies behind any number of records that do not match", func(h *harness) {
		h.manualSweep()
		n, kept := 0, 0
		for _, size := range []int{100, 199, 200, 201, 513} {
			for ; n < size; n++ {
				l := h.hold("many", lease.Paths(fmt.Sprint("many/", n)))
				if n < 210 { // more than a page of what has ended
					h.release(l)
				} else {
					kept++
				}
			}
			holder := fmt.Sprint("one", size)
			l := h.hold(holder, lease.Paths(fmt.Sprint("one/", size)))
			n++
			require.Equal(h, []lease.ID{l.ID}, h.ids(lease.Query{Holder: holder}), "behind %d", size)
			require.Equal(h, []lease.ID{l.ID}, h.ids(lease.Query{Path: fmt.Sprint("one/", size)}), "behind %d", size)
			require.Contains(h, h.ids(lease.Query{Under: "one"}), l.ID)
			require.Len(h, h.ids(lease.Query{Holder: "many"}), kept, "before %d", size)
			ended := h.ids(lease.Query{Holder: "many", Status: []lease.Status{lease.Released}})
			require.Len(h, ended, released(h, "many"), "before %d", size)
		}
	}},
	{"Sizes/DeepWaiter", "a tree is not granted past one who waits below it, however many paths there are above what that one claims", func(h *harness) {
		for _, n := range []int{3, 500, 510, 511, 512, 513, 514, 1100} {
			top := fmt.Sprint("t", n)
			held := h.hold("own", lease.Paths(top+"/held"))
			w := h.request("w", lease.Paths(top+"/held"))
			for i, left := 0, n; left > 0; i++ {
				depth := min(left, 100)
				w.Claims = append(w.Claims, lease.Claim{Path: fmt.Sprintf("%s/%d", top, i) + strings.Repeat("/p", depth)})
				left -= depth
			}
			w.ID, w.QueueTTL = lease.ID("w"+top), h.units(600)
			h.refused(h.M, w)
			last := w.Claims[len(w.Claims)-1].Path
			above, _ := lease.Parent(last)
			for _, path := range []string{top + "/0", above, last} {
				for _, claims := range [][]lease.Claim{lease.Trees(path), lease.SharedTrees(path)} {
					conflict := h.denied("x", claims)
					require.Equal(h, 1, conflict.Count, "with %d paths above, for %s", n, path)
					require.Equal(h, w.ID, conflict.Blockers[0].ID)
				}
			}
			h.release(h.hold("x", lease.Trees(top+"/beside")))
			h.release(held)
			h.release(h.acquire(h.M, w))
			h.release(h.hold("x", lease.Trees(top)))
		}
	}},
	{"Sizes/LargeOnes", "a list and a history show all of what is large, too, though only a few of them fit into a page", func(h *harness) {
		const n = 80
		labels := map[string]string{"k": strings.Repeat("v", lease.MaxLabelsBytes-1)}
		leases := make([]lease.Lease, n)
		for i := range leases {
			r := h.request("a", lease.Paths(fmt.Sprint("f", i)))
			r.Labels = labels
			leases[i] = h.acquire(h.M, r)
		}
		ids := idsOf(leases)
		require.Equal(h, ids, h.listed(lease.Query{}))
		require.Equal(h, ids, h.listed(lease.Query{Holder: "a"}))
		require.Equal(h, ids, h.listed(lease.Query{Under: "/"}))
		require.Len(h, kindsOf(h.events(lease.Query{Holder: "a"})), n)
		require.ElementsMatch(h, ids, idsOf(h.force(lease.Query{Holder: "a"})))
		require.Equal(h, ids, h.listed(lease.Query{Status: []lease.Status{lease.Failed}}))
		require.Len(h, kindsOf(h.events(lease.Query{Holder: "a"})), 2*n)
	}},
	{"Sizes/HistoryPastPagesWithoutAMatch", "the history finds what lies behind any number of events that do not match", func(h *harness) {
		l := h.hold("many", lease.Paths("f"))
		for i := range 1000 {
			_, err := h.M.Renew(h.Context(), l.Ref(), 0)
			require.NoError(h, err, "renewal %d", i)
		}
		one := h.hold("one", lease.Paths("g"))
		require.Equal(h, one.ID, h.only(lease.Query{Holder: "one"}).Lease.ID)
		require.Equal(h, one.ID, h.only(lease.Query{Path: "g"}).Lease.ID)
		h.release(l)
		require.Equal(h, lease.KindReleased, h.only(lease.Query{ID: l.ID, Kinds: []lease.Kind{lease.KindReleased}}).Kind)
		require.Len(h, h.events(lease.Query{ID: l.ID}), 1002)
	}},
	{"Sizes/ForceAmongExpired", "ForceRelease ends what lives and only that, however many unswept leases have expired", func(h *harness) {
		h.manualSweep()
		sizes := []int{99, 100, 201}
		for _, n := range sizes {
			for i := range n {
				h.brief(fmt.Sprint("h", i), lease.SharedPaths(fmt.Sprint("f", n)), 30)
			}
			h.hold("live", lease.SharedPaths(fmt.Sprint("f", n)))
		}
		h.sleep(32)
		for _, n := range sizes {
			ended := h.force(lease.Query{Path: fmt.Sprint("f", n)})
			require.Len(h, ended, 1, "among %d", n)
			require.Equal(h, "live", ended[0].Holder)
			h.hold("x", lease.Paths(fmt.Sprint("f", n)))
		}
		require.Len(h, h.events(lease.Query{Kinds: []lease.Kind{lease.KindRevoked}}), len(sizes))
	}},
	{"Sizes/QuotaAmongExpired", "what has expired does not count against a quota, however much of it is unswept", func(h *harness) {
		h.manualSweep()
		sizes := []int{32, 101}
		for _, n := range sizes {
			for i := range n {
				h.brief(fmt.Sprint("h", n), lease.Paths(fmt.Sprint("f", n, "/", i)), 30)
			}
		}
		h.sleep(32)
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 2 })
		for _, n := range sizes {
			holder := fmt.Sprint("h", n)
			h.hold(holder, lease.Paths(fmt.Sprint("f", n, "/0")))
			h.hold(holder, lease.Paths(fmt.Sprint("f", n, "/1")))
			_, err := h.M.TryAcquire(h.Context(), h.request(holder, lease.Paths(fmt.Sprint("f", n, "/2"))))
			require.ErrorIs(h, err, lease.ErrQuota)
		}
	}},
	{"Sizes/ReadersWokenTogether", "all that share are woken by one release, however many wait", func(h *harness) {
		for _, n := range []int{33, 65, 101} {
			path := fmt.Sprint("f", n)
			held := h.hold("writer", lease.Paths(path))
			waits := make([]*waiting, h.rounds(n)+1)
			for i := range waits {
				waits[i] = h.wait(h.M, h.request(fmt.Sprint("r", i), lease.SharedPaths(path)))
			}
			h.release(held)
			for _, w := range waits {
				w.soon()
			}
		}
	}},
	{"Sizes/Attempts", "a request is taken back when the last of eight attempts is withdrawn, and not before", func(h *harness) {
		for n := 1; n <= 8; n++ {
			path := fmt.Sprint("f", n)
			held := h.hold("own", lease.Paths(path))
			d := h.direct()
			a := d.args(h.request("a", lease.Paths(path)), "", h.units(600))
			for i := range n {
				a.Attempt = fmt.Sprint(n, " attempt ", i)
				require.Equal(h, backend.Queued, d.ask(a).Outcome)
			}
			for i := range n {
				require.Equal(h, lease.Pending, h.get(a.Request.ID).Status, "%d of %d are withdrawn", i, n)
				a.Attempt = fmt.Sprint(n, " attempt ", i)
				d.withdraw(a)
			}
			require.Equal(h, lease.EndCancelled, h.get(a.Request.ID).EndReason)
			h.release(held)
		}
	}},
	{"Sizes/EndedMax", "beyond ended_max those are forgotten whose end was first, whatever the order in which they came", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.EndedMax = 100 })
		leases := make([]lease.Lease, 101)
		for i := range leases {
			leases[i] = h.hold("a", lease.Paths(fmt.Sprint("f", i)))
		}
		for i := len(leases) - 1; i >= 0; i-- { // the last that came ends first
			h.release(leases[i])
			if i == len(leases)-1 {
				h.pass(resolution)
			}
		}
		h.pass(lease.MinEndedRetention + h.doubt())
		require.Equal(h, 1, h.sweep().Forgotten)
		_, err := h.M.Get(h.Context(), leases[100].ID)
		require.ErrorIs(h, err, lease.ErrNotFound)
		for _, l := range leases[:100] {
			h.get(l.ID)
		}
	}},
}

// released counts what the history says a holder has released.
func released(h *harness, holder string) int {
	h.Helper()
	return len(h.events(lease.Query{Holder: holder, Kinds: []lease.Kind{lease.KindReleased}}))
}

// secondCases: what happens once more, and what is over but was not swept.
var secondCases = []testCase{
	{"Second/IDAfterItsEnd", "an ID that is used again, and again, is a new request each time: what was before it ends nothing of it", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.EndedRetention = lease.MinEndedRetention })
		d := h.direct()
		r := h.request("a", lease.Paths("f"))
		r.ID, r.TTL = "again", lease.MaxTTL
		var before backend.AcquireReply
		times := 3
		if h.fixture.RealTime {
			times = 2 // the time between them is minutes
		}
		for n := range times {
			a := d.args(r, fmt.Sprint("attempt ", n), 0)
			now := d.ask(a)
			require.Equal(h, backend.Done, now.Outcome)
			require.Greater(h, now.Lease.Token, before.Lease.Token)
			require.Zero(h, now.Lease.Renewals)
			if n > 0 {
				h.lost(h.M.Release(h.Context(), before.Lease.Ref()), lease.ErrNotHolder)
				a.Attempt = fmt.Sprint("attempt ", n-1)
				d.withdraw(a) // a late withdrawal of the attempt before
			}
			require.Equal(h, now.Lease.Token, h.get("again").Token)
			h.denied("b", lease.Paths("f"))
			renewed, err := h.M.Renew(h.Context(), now.Lease.Ref(), 0)
			require.NoError(h, err)
			require.Equal(h, 1, renewed.Renewals)
			h.release(now.Lease)
			before = now
			if n == times-1 {
				break
			}
			h.pass(lease.MinEndedRetention + h.doubt())
			if n == 1 {
				h.sweep()
			}
		}
		require.Len(h, h.kinds("again"), 3*times)
	}},
	{"Second/Withdrawal", "a request that was withdrawn and asked for anew is withdrawn anew", func(h *harness) {
		h.hold("own", lease.Paths("f"))
		d := h.direct()
		r := h.request("a", lease.Paths("f"))
		r.ID = "mine"
		for n := range 3 {
			a := d.queued(r, fmt.Sprint("attempt ", n), h.units(600))
			h.counts(1, 1)
			d.withdraw(a)
			d.withdraw(a)
			h.counts(1, 0)
		}
		require.Equal(h, []lease.Kind{
			lease.KindQueued, lease.KindWithdrawn, lease.KindQueued, lease.KindWithdrawn, lease.KindQueued, lease.KindWithdrawn,
		}, h.kinds("mine"))
	}},
	{"Second/PlaceAfterALapse", "a waiter that has lapsed stands at the end of the line when it asks anew, swept or not", func(h *harness) {
		h.manualSweep()
		held := h.hold("own", lease.Paths("f"))
		h.refused(h.M, h.placed("a", 3))
		h.refused(h.M, h.placed("b", 500))
		h.sleep(4)
		require.Equal(h, 2, h.refused(h.M, h.placed("a", 500)).Position)
		h.release(held)
		h.refused(h.M, h.placed("a", 500))
		h.acquire(h.M, h.placed("b", 500))
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindLapsed, lease.KindQueued}, h.kinds("a"))
	}},
	{"Second/TransferAndBack", "a lease that goes from hand to hand and back has a newer token each time, and the old Refs are dead", func(h *harness) {
		l := h.hold("h0", lease.Paths("f"))
		var old []lease.Lease
		for n := 1; n <= 6; n++ {
			next := h.change(l, fmt.Sprint("h", n%2), lease.Paths("f"))
			require.Greater(h, next.Token, l.Token)
			old, l = append(old, l), next
		}
		for _, o := range old {
			h.lost(h.M.Release(h.Context(), o.Ref()), lease.ErrReplaced)
		}
		require.Equal(h, l.Token, h.get(l.ID).Token)
		h.counts(1, 0)
	}},
	{"Over/ExpiredIsSeenAsOver", "a lease that has expired is over for everybody at once: Get, List, Stats, Contention, Renew, Release, its ID", func(h *harness) {
		h.manualSweep()
		r := h.request("a", lease.Paths("f"))
		r.ID, r.TTL = "mine", h.units(3)
		l := h.acquire(h.M, r)
		h.hold("c", lease.SharedPaths("g"))
		w := h.direct().queued(h.request("b", lease.Paths("f", "g")), "one", h.units(600))
		h.expire(l)
		require.Equal(h, lease.Expired, h.get(l.ID).Status)
		require.Zero(h, h.get(l.ID).Contention)
		require.NotContains(h, h.ids(lease.Query{Path: "f"}), l.ID)
		require.Contains(h, h.ids(lease.Query{Status: []lease.Status{lease.Expired}}), l.ID)
		h.counts(1, 1)
		_, err := h.M.Renew(h.Context(), l.Ref(), 0)
		h.lost(err, lease.ErrExpired)
		h.lost(h.M.Release(h.Context(), l.Ref()), lease.ErrExpired)
		_, err = h.M.TryAcquire(h.Context(), r)
		h.lost(err, lease.ErrExpired)
		require.Equal(h, lease.Pending, h.get(w.Request.ID).Status)
	}},
	{"Over/LapsedIsSeenAsOver", "a waiter that has lapsed is over for everybody at once: Get, List, Stats, Contention, positions, the quota", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 1 })
		l := h.hold("own", lease.Paths("f"))
		h.refused(h.M, h.placed("a", 3))
		require.Equal(h, 1, h.get(l.ID).Contention.Waiters)
		h.pass(h.units(3) + resolution)
		require.Zero(h, h.get(l.ID).Contention)
		require.Equal(h, lease.EndLapsed, h.get("a").EndReason)
		h.counts(1, 0)
		require.Empty(h, h.ids(lease.Query{Holder: "a"}))
		require.Equal(h, 1, h.refused(h.M, h.placed("b", 500)).Position)
		h.hold("a", lease.Paths("g"))
	}},
	{"Over/ForcedTooLate", "what had expired or lapsed cannot be revoked, swept or not", func(h *harness) {
		h.manualSweep()
		l := h.brief("a", lease.Paths("f"), 3)
		h.hold("own", lease.Paths("g"))
		d := h.direct()
		a := d.queued(h.request("a", lease.Paths("g")), "one", h.units(3))
		h.sleep(4)
		require.Empty(h, h.force(lease.Query{Holder: "a"}))
		require.Equal(h, lease.EndExpired, h.get(l.ID).EndReason)
		require.Equal(h, lease.EndLapsed, h.get(a.Request.ID).EndReason)
		require.Empty(h, h.events(lease.Query{Kinds: []lease.Kind{lease.KindRevoked}}))
	}},
	{"Over/RetentionFromTheEnd", "an end is remembered from when it was, not from when somebody noticed it", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.EndedRetention = lease.MinEndedRetention })
		l := h.brief("a", lease.Paths("f"), 3)
		h.pass(lease.MinEndedRetention + h.units(3) + h.doubt())
		h.sweep()
		_, err := h.M.Get(h.Context(), l.ID)
		require.ErrorIs(h, err, lease.ErrNotFound)
		_, err = h.M.Renew(h.Context(), l.Ref(), 0)
		h.lost(err, lease.ErrNotFound)
		e := h.only(lease.Query{ID: l.ID, Kinds: []lease.Kind{lease.KindExpired}})
		require.WithinDuration(h, l.ExpiresAt, e.At, time.Millisecond)
	}},
}
