package conformance

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// amongCases: who waits for whom, among more leases and waiters than a store looks
// at in one step.
var amongCases = []testCase{
	{"Among/ExpiredOfTheHolder", "a holder passes who waits for its one lease that lives, however many of its own have expired unswept", func(h *harness) {
		h.manualSweep()
		for i := range 101 {
			h.brief("own", lease.Paths(fmt.Sprint("old", i)), 30)
		}
		h.sleep(32)
		h.hold("own", lease.Paths("f"))
		h.queue("b", lease.Paths("f", "g"))
		h.hold("own", lease.Paths("g"))
		h.denied("other", lease.Paths("g"))
	}},
	{"Among/ExpiredBeforeTheLiving", "leases that have expired unswept do not hide one that lives, however many they are", func(h *harness) {
		h.manualSweep()
		for i := range 150 {
			h.brief(fmt.Sprint("past", i), lease.SharedPaths("f"), 30)
		}
		h.hold("living", lease.SharedPaths("f"))
		h.sleep(32)
		h.denied("b", lease.Paths("f"))
		h.hold("c", lease.SharedPaths("f"))
	}},
	{"Among/ExpiredBeforeTheFirst", "an ask without Blockers is refused by the one lease that lives, however many before it have expired unswept", func(h *harness) {
		h.manualSweep()
		d := h.direct()
		for _, n := range []int{1, 2, 3, 40} {
			path := fmt.Sprint("f", n)
			for i := range n {
				h.brief(fmt.Sprint("past", i), lease.SharedPaths(path), 5)
			}
			h.hold("living", lease.SharedPaths(path))
			h.sleep(7)
			a := d.args(h.request("b", lease.Paths(path)), "", 0)
			a.Blockers = false
			require.Equal(h, backend.Refused, d.ask(a).Outcome, "behind %d", n)
		}
	}},
	{"Among/OwnLeases", "a holder passes who waits for any of its leases, and learns of a deadlock by any of them, however many it has", func(h *harness) {
		for _, n := range []int{99, 101, 130} {
			own, last := fmt.Sprint("own", n), fmt.Sprintf("own%d/%d", n, n-1)
			for i := range n {
				h.hold(own, lease.Paths(fmt.Sprintf("own%d/%d", n, i)))
			}
			other, theirs := fmt.Sprint("other", n), fmt.Sprint("theirs", n)
			h.hold(other, lease.Paths(theirs))
			h.queue(other, lease.Paths(last, theirs+"/more"))
			h.hold(own, lease.Paths(theirs+"/more"))
			conflict := h.deadlocked(h.M, h.request(own, lease.Paths(theirs)))
			require.Equal(h, []string{own, other}, conflict.Cycle, "with %d leases", n)
		}
	}},
	{"Among/ExpiredOfTheOther", "a deadlock is found by the one lease of the other that lives, however many of its own have expired unswept", func(h *harness) {
		h.manualSweep()
		for range 5 {
			h.brief("other", lease.Paths("f"), 30)
		}
		h.sleep(32)
		h.hold("other", lease.Paths("f"))
		h.hold("own", lease.Paths("g"))
		h.queue("other", lease.Paths("g"))
		h.deadlocked(h.M, h.request("own", lease.Paths("f")))
	}},
	{"Among/LapsedOfTheHolder", "who waits is found to wait, however many of its holder's waiters have lapsed unswept", func(h *harness) {
		h.manualSweep()
		h.hold("own", lease.Paths("f"))
		h.hold("other", lease.Paths("g"))
		h.hold("busy", lease.Paths("z"))
		d := h.direct()
		for i := range 70 {
			d.queued(h.request("other", lease.Paths("z")), fmt.Sprint("try ", i), h.units(30))
		}
		h.queue("other", lease.Paths("f"))
		h.queue("b", lease.Paths("g", "x")) // it waits for other, and so for own
		h.sleep(32)
		a := d.args(h.request("own", lease.Paths("x")), "own", 0)
		a.Blockers = false // looks at fewer waiters
		require.Equal(h, backend.Done, d.ask(a).Outcome)
	}},
	{"Among/SecondHolder", "who waits for several holders waits for each of them: for the second, too", func(h *harness) {
		h.hold("first", lease.SharedPaths("f"))
		h.hold("second", lease.SharedPaths("f"))
		h.hold("own", lease.Paths("g"))
		h.queue("second", lease.Paths("g"))
		h.queue("b", lease.Paths("f", "x")) // it waits for second, and so for own
		h.hold("own", lease.Paths("x"))
	}},
	{"Among/ReadersOfManyWriters", "a holder that shares passes the writers who wait for it, however many, and not a reader before them who does not", func(h *harness) {
		for _, n := range []int{31, 32, 40} {
			path, other := fmt.Sprint("f", n), fmt.Sprint("z", n)
			h.hold("busy", lease.Paths(other))
			h.hold("own", lease.SharedPaths(path))
			d := h.direct()
			d.queued(h.request("reader", []lease.Claim{{Path: path, Mode: lease.Shared}, {Path: other}}), fmt.Sprint(n, " reader"), h.units(600))
			for i := range n {
				d.queued(h.request(fmt.Sprint("w", i), lease.Paths(path)), fmt.Sprint(n, " try ", i), h.units(600))
			}
			conflict := h.denied("own", lease.Paths(path))
			require.Equal(h, "reader", conflict.Blockers[0].Holder, "before %d writers", n)
			require.Equal(h, 1, conflict.Count, "before %d writers", n)
		}
	}},
	{"Among/WaitersUnderTheParent", "a parent's holder stands behind those who wait under it, however many: they do not wait for what covers them", func(h *harness) {
		for _, n := range []int{31, 33} {
			dir := fmt.Sprint("d", n)
			parent := h.hold("parent", lease.Trees(dir))
			child := h.acquire(h.M, h.under(parent, "child", lease.Paths(dir+"/f")))
			d := h.direct()
			for i := range n {
				d.queued(h.under(parent, fmt.Sprint("c", i), lease.Paths(dir+"/f")), fmt.Sprint(n, " try ", i), h.units(600))
			}
			h.release(child)
			require.Equal(h, n, h.denied("parent", lease.Paths(dir+"/f")).Count, "behind %d", n)
		}
	}},
	{"Among/WaitersOfManyClaims", "a request for many paths stands behind each waiter for one of them, in the order of their places", func(h *harness) {
		const each, paths = 14, 5
		all := make([]string, paths)
		for p := range all {
			all[p] = fmt.Sprint("f", paths-p)
		}
		h.hold("own", lease.Paths(all...))
		d := h.direct()
		for i := range each {
			for p := range paths { // the last path is the first in each round
				d.queued(h.request(fmt.Sprintf("%02d-%d", i, p), lease.Paths(all[p])), fmt.Sprint("try ", i, p), h.units(600))
			}
		}
		conflict := h.denied("b", lease.Paths(all...))
		require.Equal(h, 1+each*paths, conflict.Count)
		require.Equal(h, "own", conflict.Blockers[0].Holder)
		for i, b := range conflict.Blockers[1:] {
			require.Equal(h, fmt.Sprintf("%02d-%d", i/paths, i%paths), b.Holder)
		}
	}},
	{"Among/EarlyWaitersOfManyClaims", "a request for many paths stands behind the earliest waiters, whatever path they wait for and however many wait for another", func(h *harness) {
		all := []string{"f1", "f2", "f3", "f4", "f5"}
		h.hold("own", lease.Paths(all...))
		d := h.direct()
		for i, path := range []string{"f1", "f5"} {
			d.queued(h.request(fmt.Sprint("early", i), lease.Paths(path)), fmt.Sprint("early ", i), h.units(600))
		}
		for i := range 66 {
			d.queued(h.request(fmt.Sprintf("later%02d", i), lease.Paths("f3")), fmt.Sprint("later ", i), h.units(600))
		}
		conflict := h.denied("b", lease.Paths(all...))
		require.Equal(h, 69, conflict.Count)
		for i, holder := range []string{"own", "early0", "early1", "later00", "later01"} {
			require.Equal(h, holder, conflict.Blockers[i].Holder)
		}
	}},
	{"Among/OthersAreNoDeadlock", "who is blocked by others only is in no deadlock with those who wait for it, of one claim or of many", func(h *harness) {
		h.hold("own", lease.Paths("x"))
		h.hold("idle", lease.Paths("p"))
		h.hold("b", lease.Paths("y"))
		h.queue("b", lease.Paths("x"))
		for _, claims := range [][]lease.Claim{lease.Paths("p"), lease.Paths("p", "q1", "q2", "q3", "q4")} {
			w := h.queue("own", claims)
			w.stillWaits()
			w.cancel()
			<-w.done
		}
	}},
}

// overlapCases are for stores over backend/rules, whose Overlap tells the first.
var overlapCases = []testCase{
	{"Transaction/FirstBlockers", "of more leases in the way than are counted, the first to arrive are told", func(h *harness) {
		const many = lease.MaxContention + 20
		asked := map[string][]lease.Claim{
			"below a tree":   lease.Trees("t"),
			"at a path":      lease.Paths("p"),
			"at many claims": append(lease.Paths("m"), lease.Trees("m/0", "m/1", "m/2", "m/3")...),
		}
		first := map[string][]lease.ID{}
		for i := range many {
			shared := lease.SharedPaths("p")
			if i%3 == 0 {
				shared = lease.SharedTrees("p")
			}
			for name, l := range map[string]lease.Lease{
				"below a tree":   h.hold(fmt.Sprint("a", i), lease.Paths(fmt.Sprintf("t/%03d", many-i))),
				"at a path":      h.hold(fmt.Sprint("b", i), shared),
				"at many claims": h.hold(fmt.Sprint("c", i), lease.Paths(fmt.Sprintf("m/%d/%03d", 3-i%4, many-i))),
			} {
				first[name] = append(first[name], l.ID)
			}
		}
		for name, claims := range asked {
			conflict := h.refused(h.M, h.request("late", claims))
			require.Equal(h, lease.MaxContention, conflict.Count, name)
			var told []lease.ID
			for _, b := range conflict.Blockers {
				told = append(told, b.ID)
			}
			require.Equal(h, first[name][:lease.MaxBlockers], told, name)
		}
	}},
}
