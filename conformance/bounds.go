package conformance

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// many is more than a step ends, counts or looks at by default.
const many = lease.MaxContention + 30

// boundCases: what holds among more records than a store looks at in one step.
var boundCases = []testCase{
	{"Bounds/ExpiredHideNobody", "more expired leases than a step records never hide one that is active", func(h *harness) {
		h.manualSweep()
		for i := range many {
			h.brief(fmt.Sprintf("h%d", i), lease.SharedPaths("f"), 4)
		}
		live := h.hold("live", lease.SharedPaths("f"))
		h.pass(h.units(30))
		conflict := h.denied("a", lease.Paths("f"))
		require.Equal(h, live.ID, conflict.Blockers[0].ID)
		require.Equal(h, 1, conflict.Count)
	}},
	{"Bounds/LapsedHideNobody", "more lapsed waiters than a step records never hide one that waits", func(h *harness) {
		h.manualSweep()
		d := h.direct()
		own := h.hold("own", lease.Paths("f"))
		for i := range many {
			d.queued(h.request(fmt.Sprintf("h%d", i), lease.Paths("f")), fmt.Sprint("try ", i), h.units(4))
		}
		h.pass(h.units(30))
		d.queued(h.request("live", lease.Paths("f")), "live", h.units(600))
		h.release(own)
		conflict := h.denied("a", lease.Paths("f"))
		require.Equal(h, "live", conflict.Blockers[0].Holder)
	}},
	{"Bounds/PassesAmongMany", "a holder passes who waits for it, among however many other leases in the way", func(h *harness) {
		for i := range many {
			h.hold(fmt.Sprintf("h%d", i), lease.SharedPaths("f"))
		}
		h.hold("own", lease.SharedPaths("f"))
		h.queue("writer", lease.Paths("f", "g"))
		h.hold("own", lease.Paths("g"))
		h.denied("other", lease.Paths("g"))
	}},
	{"Bounds/DeadlockAmongMany", "two holders that wait for each other are found, among however many other leases in the way of both", func(h *harness) {
		for i := range many {
			h.hold(fmt.Sprintf("h%d", i), lease.SharedPaths("x", "y"))
		}
		h.hold("a", lease.SharedPaths("x"))
		h.hold("b", lease.SharedPaths("y"))
		h.queue("a", lease.Paths("y"))
		conflict := h.deadlocked(h.M, h.request("b", lease.Paths("x")))
		require.Equal(h, []string{"b", "a"}, conflict.Cycle)
	}},
	{"Bounds/DeadlockOf64", "a cycle of 64 holders is found", func(h *harness) {
		const n = 64
		for i := range n {
			h.hold(fmt.Sprintf("h%02d", i), lease.Paths(fmt.Sprintf("f%d", i)))
		}
		d := h.direct()
		for i := range n - 1 {
			d.queued(h.request(fmt.Sprintf("h%02d", i), lease.Paths(fmt.Sprintf("f%d", i+1))), fmt.Sprint("try ", i), h.units(600))
		}
		require.Len(h, h.deadlocked(h.M, h.request(fmt.Sprintf("h%02d", n-1), lease.Paths("f0"))).Cycle, n)
	}},
	{"Bounds/FirstBlockerOnly", "an ask without Blockers tells none, keeps its place all the same, and is granted when nothing is in the way", func(h *harness) {
		own := h.hold("own", lease.SharedPaths("f"))
		other := h.hold("other", lease.SharedPaths("f"))
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "one", h.units(600))
		a.Blockers = false
		reply := d.ask(a)
		require.Equal(h, backend.Queued, reply.Outcome)
		require.Empty(h, reply.Blockers)
		require.Zero(h, reply.Count)
		require.Positive(h, reply.RetryAfter)
		h.release(own)
		a.Again = true
		require.Equal(h, backend.Queued, d.ask(a).Outcome)
		h.release(other)
		require.Equal(h, backend.Done, d.ask(a).Outcome)
	}},
	{"Bounds/ManyTrees", "a request of 256 trees over a busy tree is refused with the first that are in its way, once each", func(h *harness) {
		var ids []lease.ID
		for i := range 20 {
			ids = append(ids, h.hold(fmt.Sprintf("h%d", i), lease.Paths(fmt.Sprintf("t/%d/a", i), fmt.Sprintf("t/%d/b", i))).ID)
		}
		var paths []string
		for i := range lease.MaxClaims {
			paths = append(paths, fmt.Sprintf("t/%d", i))
		}
		conflict := h.denied("a", lease.Trees(paths...))
		require.Equal(h, len(ids), conflict.Count)
		require.Len(h, conflict.Blockers, lease.MaxBlockers)
		for n, b := range conflict.Blockers {
			require.Equal(h, ids[n], b.ID)
		}
	}},
	{"Bounds/ForceOfManyShared", "ForceRelease by Path ends all of many shared leases", func(h *harness) {
		for i := range 150 {
			h.hold(fmt.Sprintf("h%d", i), lease.SharedPaths("f"))
		}
		ended, err := h.M.ForceRelease(h.Context(), lease.Query{Path: "f"}, lease.Revocation{Actor: "root"})
		require.NoError(h, err)
		require.Len(h, ended, 150)
		h.counts(0, 0)
	}},
	{"Bounds/ExpiredHasNoContention", "nobody waits for a lease that is over, swept or not", func(h *harness) {
		h.manualSweep()
		l := h.brief("a", lease.Paths("f"), 4)
		h.hold("other", lease.SharedPaths("g"))
		h.direct().queued(h.request("b", lease.Paths("f", "g")), "one", h.units(600))
		require.Equal(h, 1, h.get(l.ID).Contention.Waiters)
		h.expire(l)
		require.Zero(h, h.get(l.ID).Contention)
	}},
	{"Bounds/QuotaOfTheLiving", "what has ended by time does not count against the quota, recorded or not", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 2 })
		h.brief("a", lease.Paths("f"), 4)
		l := h.hold("a", lease.Paths("g"))
		_, err := h.M.TryAcquire(h.Context(), h.request("a", lease.Paths("i")))
		require.ErrorIs(h, err, lease.ErrQuota)
		r := h.request("a", lease.Paths("g", "i"))
		r.Replace = l.Ref()
		h.acquire(h.M, r)
		h.pass(h.units(30))
		h.hold("a", lease.Paths("j"))
	}},
}
