package conformance

import (
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// queueCases: who stands where in line, and who need not.
var queueCases = []testCase{
	{"Queue/NoBarging", "who comes later does not pass a waiter it conflicts with, even if it conflicts with no lease", func(h *harness) {
		reader := h.hold("r1", lease.SharedPaths("f"))
		writer := h.queue("w", lease.Paths("f"))
		conflict := h.denied("r2", lease.SharedPaths("f"))
		require.Len(h, conflict.Blockers, 1)
		require.Equal(h, "w", conflict.Blockers[0].Holder)
		require.True(h, conflict.Blockers[0].Waiting)
		h.release(reader)
		writer.soon()
	}},
	{"Queue/OthersPass", "who conflicts with nobody in line does not wait for it", func(h *harness) {
		h.hold("a", lease.Paths("d/x"))
		h.queue("b", lease.Trees("d"))
		h.hold("c", lease.Paths("e"))
		h.hold("c", lease.Paths("dd"))
		h.hold("c", lease.SharedPaths("/"))
		h.denied("c", lease.Paths("d/y"))
	}},
	{"Queue/SharersPassSharers", "waiters that only share do not wait for each other", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		h.queue("b", lease.SharedPaths("f", "g"))
		h.hold("c", lease.SharedPaths("g"))
		h.denied("c", lease.Paths("g"))
	}},
	{"Queue/ReadersBehindAWriter", "readers that come after a waiting writer go after it", func(h *harness) {
		first := h.hold("r1", lease.SharedPaths("f"))
		writer := h.queue("w", lease.Paths("f"))
		second := h.queue("r2", lease.SharedPaths("f"))
		h.release(first)
		held := writer.soon()
		second.stillWaits()
		h.release(held)
		second.soon()
	}},
	{"Queue/SharedGroup", "readers that wait for a writer are all granted when it ends", func(h *harness) {
		writer := h.hold("w", lease.Paths("f"))
		var readers []*waiting
		for i := range 5 {
			readers = append(readers, h.queue(fmt.Sprint("r", i), lease.SharedPaths("f")))
		}
		h.release(writer)
		for _, r := range readers {
			r.soon()
		}
		h.counts(5, 0)
	}},
	{"Queue/FirstInFirstOut", "waiters are granted in the order in which they came, whatever handle they wait on", firstInFirstOut},
	{"Queue/IDsDoNotOrder", "waiters that came at the same moment go by arrival, never by ID", func(h *harness) {
		held := h.hold("first", lease.Paths("f"))
		var line []*waiting
		for _, id := range []lease.ID{"z", "m", "a", "q"} {
			r := h.request(string(id), lease.Paths("f"))
			r.ID = id
			line = append(line, h.wait(h.M, r))
		}
		for _, w := range line {
			h.release(held)
			held = w.soon()
		}
	}},
	{"Queue/OwnWaiterIsNoBlocker", "a holder does not stand behind its own waiters", func(h *harness) {
		h.hold("b", lease.Paths("f"))
		h.queue("a", lease.Paths("f", "g"))
		h.hold("a", lease.Paths("g"))
		h.denied("c", lease.Paths("g"))
	}},
	{"Queue/OwnWaiterBlocksDistinct", "a distinct request does stand behind its own holder's waiters", func(h *harness) {
		h.hold("b", lease.Paths("f"))
		h.queue("a", lease.Paths("f", "g"))
		r := h.request("a", lease.Paths("g"))
		r.Distinct = true
		require.True(h, h.refused(h.M, r).Blockers[0].Waiting)
	}},
	{"Queue/DistinctTakeTurns", "distinct requests of one holder are granted one after the other", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.Distinct = true
		held := h.acquire(h.M, r)
		first, second := h.wait(h.M, r), h.wait(h.M, r)
		h.release(held)
		held = first.soon()
		second.stillWaits()
		h.release(held)
		second.soon()
	}},
	{"Queue/TwoPathsTwoLines", "each path has its own line: a waiter does not hold up those who wait for something else", func(h *harness) {
		f, g := h.hold("a", lease.Paths("f")), h.hold("a", lease.Paths("g"))
		waitsForF, waitsForG := h.queue("b", lease.Paths("f")), h.queue("c", lease.Paths("g"))
		h.release(g)
		waitsForG.soon()
		waitsForF.stillWaits()
		h.release(f)
		waitsForF.soon()
	}},
	{"Queue/AllClaimsOrWait", "a waiter is granted when the last of its claims is free, and keeps its place for the others until then", func(h *harness) {
		f, g := h.hold("a", lease.Paths("f")), h.hold("b", lease.Paths("g"))
		both := h.queue("c", lease.Paths("f", "g"))
		one := h.queue("d", lease.Paths("f"))
		h.release(f)
		both.stillWaits()
		one.stillWaits()
		h.release(g)
		h.release(both.soon())
		one.soon()
	}},
	{"Queue/WriterNotStarved", "readers that keep coming do not keep a writer out", func(h *harness) {
		var readers []lease.Lease
		for i := range 3 {
			readers = append(readers, h.hold(fmt.Sprint("r", i), lease.SharedPaths("f")))
		}
		writer := h.queue("w", lease.Paths("f"))
		var next []*waiting
		for i, l := range readers {
			h.release(l)
			next = append(next, h.queue(fmt.Sprint("r", i), lease.SharedPaths("f")))
		}
		held := writer.soon()
		for _, w := range next {
			w.stillWaits()
		}
		h.release(held)
		for _, w := range next {
			w.soon()
		}
	}},
	{"Queue/Waited", "a lease says how long its request waited, and when it came", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		h.sleep(3)
		h.release(held)
		l := w.soon()
		require.GreaterOrEqual(h, l.Waited, h.units(3)-resolution)
		require.LessOrEqual(h, l.Waited, h.units(3)+h.patience())
		require.Equal(h, l.GrantedAt.Sub(l.CreatedAt), l.Waited)
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindGranted}, h.kinds(l.ID))
	}},
	{"Queue/AWaiterIsPending", "a waiting request is seen as pending, without a token, through any handle", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.SharedTrees("f"))
		l, err := h.open().Get(h.Context(), w.ID)
		require.NoError(h, err)
		require.Equal(h, lease.Pending, l.Status)
		require.Zero(h, l.Token)
		require.True(h, l.GrantedAt.IsZero())
		require.Equal(h, lease.SharedTrees("f"), l.Claims)
		require.True(h, l.ExpiresAt.After(l.CreatedAt))
		require.False(h, l.Valid())
	}},
	{"Queue/Positions", "a place in line is one more than the earlier waiters that conflict", func(h *harness) {
		d := h.direct()
		h.hold("a", lease.Paths("f", "g"))
		for i, want := range []int{1, 1, 2, 4} {
			claims := [][]lease.Claim{lease.SharedPaths("f"), lease.Paths("g"), lease.Paths("f"), lease.Trees("/")}[i]
			reply := d.ask(d.args(h.request(fmt.Sprint("h", i), claims), fmt.Sprint("try", i), h.units(100)))
			require.Equal(h, want, reply.Position, "of %v", claims)
			require.Equal(h, want, reply.Count)
			if want == 4 {
				var holders []string
				for _, b := range reply.Blockers {
					holders = append(holders, b.Holder)
				}
				require.Equal(h, []string{"a", "h0", "h1", "h2"}, holders, "leases first, then waiters in order")
			}
		}
	}},
	{"Queue/PositionCapped", "counting places stops at a bound", func(h *harness) {
		d := h.direct()
		h.hold("a", lease.Paths("f"))
		place := 0
		for i := range lease.MaxContention + 3 {
			reply := d.ask(d.args(h.request(fmt.Sprint("h", i), lease.Paths("f")), fmt.Sprint("try", i), h.units(600)))
			require.LessOrEqual(h, reply.Count, lease.MaxContention)
			require.LessOrEqual(h, len(reply.Blockers), lease.MaxBlockers)
			place = reply.Position
		}
		require.Equal(h, lease.MaxContention, place)
	}},
	{"Queue/WaitersHoldNothing", "any number of waiting calls keep no connection: the handle answers others at once", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		for i := range h.rounds(150) {
			r := h.request(fmt.Sprint("h", i), lease.Paths("f"))
			r.Timeout = lease.NoTimeout
			h.wait(h.M, r)
		}
		start := time.Now()
		h.release(h.hold("b", lease.Paths("g")))
		require.Less(h, time.Since(start), h.patience())
	}},
	{"Queue/SurvivesConfig", "waiting goes on over a change of configuration, in the same place", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		first, second := h.queue("b", lease.Paths("f")), h.queue("c", lease.Paths("f"))
		h.set(func(c *lease.Config) {
			c.DefaultTTL, c.PriorityBoost, c.WaiterTTL = time.Minute, time.Second, 20*time.Second
		})
		h.release(held)
		h.release(first.soon())
		second.soon()
	}},
}

// firstInFirstOut hands one path over ten waiters on three handles.
func firstInFirstOut(h *harness) {
	managers := []lease.Manager{h.M, h.open(), h.open()}
	held := h.hold("first", lease.Paths("f"))
	var mu sync.Mutex
	var order []string
	var line []*waiting
	var want []string
	for i := range 10 {
		m := managers[i%len(managers)]
		holder := fmt.Sprint("h", i)
		want = append(want, holder)
		w := h.wait(m, h.request(holder, lease.Paths("f")))
		line = append(line, w)
	}
	var all sync.WaitGroup
	for i, w := range line {
		all.Go(func() {
			<-w.done
			mu.Lock()
			order = append(order, w.lease.Holder)
			mu.Unlock()
			_ = managers[i%len(managers)].Release(h.Context(), w.lease.Ref())
		})
	}
	start := time.Now()
	h.release(held)
	all.Wait()
	require.Equal(h, want, order)
	require.Less(h, time.Since(start), 10*h.patience())
	h.counts(0, 0)
}
