package conformance

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// crowdCases: what a step does for one it does for as many as there are, or says
// that it has not. The sizes stand around how many waiters stores read at a time
// (4, 32), test to find whom to wake (64), and end in one step (100).
var crowdCases = []testCase{
	{"Crowd/WaitUnderAnEndedLease", "all that wait under a lease are told at once that it has ended, as many as a step may end", func(h *harness) {
		for _, n := range []int{3, 33, 100} {
			path := fmt.Sprint("f", n)
			parent := h.hold("own", lease.Trees(path))
			h.acquire(h.M, h.under(parent, "child", lease.Trees(path)))
			waits := make([]*waiting, n)
			for i := range waits {
				waits[i] = h.wait(h.M, h.under(parent, fmt.Sprint("h", i), lease.SharedPaths(fmt.Sprint(path, "/", i))))
			}
			h.release(parent)
			for _, w := range waits {
				w.returns()
				w.failed(lease.ErrReleased)
			}
		}
	}},
	{"Crowd/BehindThoseThatWaitOn", "who can be granted now is woken, however many before it must wait on", func(h *harness) {
		h.hold("busy", lease.Trees("busy"))
		for _, n := range []int{3, 4, 35, 36, 67, 68} {
			path := fmt.Sprint("f", n)
			held := h.hold("own", lease.Trees(path))
			for i := range n {
				r := h.request(fmt.Sprint("h", i), lease.Paths(fmt.Sprint(path, "/", i), fmt.Sprint("busy/", n, "/", i)))
				r.ID, r.QueueTTL = lease.ID(fmt.Sprint(n, " place ", i)), h.units(600)
				h.refused(h.M, r)
			}
			w := h.queue("last", lease.Paths(path+"/last"))
			h.release(held)
			w.soon()
		}
	}},
	{"Crowd/SweptInSeveralSteps", "a sweep tells the sum of what all of its steps did", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) {
			c.EndedRetention, c.HistoryRetention = lease.MinEndedRetention, lease.MinEndedRetention
		})
		const n = 600
		for i := range n {
			h.release(h.hold("a", lease.Paths(fmt.Sprint("f", i))))
		}
		h.pass(lease.MinEndedRetention + h.doubt())
		before := h.stats()
		result := h.sweep()
		require.Equal(h, n, result.Forgotten)
		require.Equal(h, int(before.Head-before.Oldest+1), result.Trimmed)
	}},
	{"Crowd/LastOfTheCallsForOneID", "of calls with one ID the last one withdraws the place that another one gave up, though it was itself refused", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		faults, m := h.faulty(FaultOptions{Delay: h.units(30)})
		w := h.wait(m, h.request("b", lease.Paths("f")))
		r := h.request("b", lease.Paths("f"))
		r.ID = w.ID
		faults.Next(OpAcquire, Delay)
		told := make(chan error, 1)
		go func() {
			_, err := m.TryAcquire(h.Context(), r)
			told <- err
		}()
		h.settle()
		w.cancel()
		w.failed(context.Canceled)
		require.Equal(h, lease.Pending, h.get(w.ID).Status, "the other call goes on")
		require.ErrorIs(h, <-told, lease.ErrConflict)
		h.eventually("nobody is in line", func() bool { return h.get(w.ID).EndReason == lease.EndCancelled })
	}},
}
