package conformance

import (
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// deadlockCases: who would wait for ever is told at once, and nobody else.
var deadlockCases = []testCase{
	{"Deadlock/TwoHolders", "of two holders that wait for each other the one that closes the cycle gets ErrDeadlock, naming it, and the other one goes on", func(h *harness) {
		h.hold("a", lease.Paths("x"))
		own := h.hold("b", lease.Paths("y"))
		w := h.queue("a", lease.Paths("y"))
		conflict := h.deadlocked(h.M, h.request("b", lease.Paths("x")))
		require.Equal(h, []string{"b", "a"}, conflict.Cycle)
		require.Equal(h, "a", conflict.Blockers[0].Holder)
		w.stillWaits()
		h.counts(2, 1)
		h.release(own)
		w.soon()
	}},
	{"Deadlock/ThreeHolders", "a cycle over three holders on three handles is found", func(h *harness) {
		second, third := h.open(), h.open()
		h.hold("a", lease.Paths("x"))
		h.hold("b", lease.Paths("y"))
		own := h.hold("c", lease.Paths("z"))
		h.wait(h.M, h.request("a", lease.Paths("y")))
		w := h.wait(second, h.request("b", lease.Paths("z")))
		conflict := h.deadlocked(third, h.request("c", lease.Paths("x")))
		require.Equal(h, []string{"c", "a", "b"}, conflict.Cycle)
		h.release(own)
		w.soon()
	}},
	{"Deadlock/ThroughTrees", "trees and several claims close a cycle like single paths", func(h *harness) {
		h.hold("a", lease.Trees("d/e"))
		h.hold("b", lease.Paths("f", "g"))
		h.queue("a", append(lease.SharedTrees("/"), lease.Paths("q")...))
		h.deadlocked(h.M, h.request("b", lease.Paths("h", "d/e/x")))
	}},
	{"Deadlock/TwoUpgraders", "of two readers that both upgrade one gets ErrDeadlock, and the other its upgrade once that one lets go", func(h *harness) {
		first, second := h.hold("a", lease.SharedPaths("f")), h.hold("b", lease.SharedPaths("f"))
		up := h.request("a", lease.Paths("f"))
		up.Replace = first.Ref()
		w := h.wait(h.M, up)
		up = h.request("b", lease.Paths("f"))
		up.Replace = second.Ref()
		h.deadlocked(h.M, up)
		require.Equal(h, lease.Active, h.get(second.ID).Status)
		h.release(second)
		require.Equal(h, first.ID, w.soon().Replaced)
	}},
	{"Deadlock/LeavesTheQueue", "who gets ErrDeadlock has no place any more, holds up nobody, and may ask anew", func(h *harness) {
		x, y := h.hold("a", lease.Paths("x")), h.hold("b", lease.Paths("y"))
		w := h.queue("a", lease.Paths("y"))
		r := h.request("b", lease.Paths("x", "v"))
		r.ID = "loser"
		h.deadlocked(h.M, r)
		require.Equal(h, lease.EndDeadlock, h.get("loser").EndReason)
		h.hold("c", lease.Paths("v"))
		h.release(y)
		w.soon()
		h.release(x)
		r.Claims = lease.Paths("x")
		h.acquire(h.M, r)
	}},
	{"Deadlock/ByAGrant", "a cycle that a grant closes is found by the next ask of those in it", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(6) })
		top := h.hold("h3", lease.Trees("a"))
		low := h.queue("h2", lease.Paths("a/b/c"))
		mid := h.queue("h1", lease.Paths("a/b"))
		wantsMid := h.queue("h2", lease.Paths("a/b"))
		wantsLow := h.queue("h1", lease.Paths("a/b/c"))
		h.release(top)
		low.soon()
		h.release(mid.awaited(wantsMid, wantsLow))
	}},
	{"Deadlock/NotByTheLine", "standing behind somebody is no deadlock: a path that is free is granted", func(h *harness) {
		h.hold("h2", lease.Paths("a"))
		h.queue("h3", lease.Paths("a", "d"))
		h.queue("h4", lease.Paths("d"))
		r := h.request("h2", lease.Paths("d"))
		_, err := h.M.Acquire(h.Context(), r)
		require.NoError(h, err)
	}},
	{"Deadlock/NotByAReader", "waiting for readers, one of whom waits for something free of the asker, is no deadlock", func(h *harness) {
		h.hold("c", lease.Paths("z"))
		reader, other := h.hold("a", lease.SharedPaths("f")), h.hold("b", lease.SharedPaths("f"))
		h.queue("a", lease.Paths("z"))
		w := h.queue("w", lease.Paths("f"))
		h.release(reader)
		h.release(other)
		w.soon()
	}},
	{"Deadlock/NotByAnExpiredLease", "a lease whose time is over closes no cycle", func(h *harness) {
		short := h.brief("a", lease.Paths("x"), 2)
		h.hold("b", lease.Paths("y"))
		h.queue("a", lease.Paths("y"))
		h.expire(short)
		_, err := h.M.Acquire(h.Context(), h.request("b", lease.Paths("x")))
		require.NoError(h, err)
	}},
	{"Deadlock/NotByADeadWaiter", "a waiter that has lapsed closes no cycle", func(h *harness) {
		d := h.direct()
		h.hold("a", lease.Paths("x"))
		h.hold("b", lease.Paths("y"))
		d.queued(h.request("a", lease.Paths("y")), "dies", h.units(2))
		h.pass(h.units(2) + resolution)
		h.queue("b", lease.Paths("x")).stillWaits()
	}},
	{"Deadlock/CheckOff", "with the check off a cycle ends by the Timeout, and is not called a deadlock", func(h *harness) {
		h.set(func(c *lease.Config) { c.DeadlockCheck = false })
		h.hold("a", lease.Paths("x"))
		h.hold("b", lease.Paths("y"))
		h.queue("a", lease.Paths("y"))
		r := h.request("b", lease.Paths("x"))
		r.Timeout = h.units(2)
		_, err := h.M.Acquire(h.Context(), r)
		require.ErrorIs(h, err, lease.ErrTimeout)
		require.NotErrorIs(h, err, lease.ErrDeadlock)
	}},
	{"Deadlock/DistinctTakesNoPart", "a distinct request is another task of its holder: it neither makes nor finds a deadlock", func(h *harness) {
		h.hold("a", lease.Paths("x"))
		h.hold("b", lease.Paths("y"))
		r := h.request("a", lease.Paths("y"))
		r.Distinct = true
		h.wait(h.M, r).stillWaits()
		h.queue("b", lease.Paths("x")).stillWaits()
	}},
	{"Deadlock/DistinctFindsNone", "nor is a distinct request told of a cycle that its holder's other requests would be in", func(h *harness) {
		h.hold("a", lease.Paths("x"))
		h.hold("b", lease.Paths("y"))
		h.queue("a", lease.Paths("y"))
		r := h.request("b", lease.Paths("x"))
		r.Distinct = true
		h.wait(h.M, r).stillWaits()
		h.deadlocked(h.M, h.request("b", lease.Paths("x")))
	}},
	{"Deadlock/DistinctInARing", "nor does a distinct request close a ring of several holders", func(h *harness) {
		h.hold("a", lease.Paths("x"))
		h.hold("b", lease.Paths("y"))
		h.hold("c", lease.Paths("z"))
		r := h.request("a", lease.Paths("y"))
		r.Distinct = true
		h.wait(h.M, r).stillWaits()
		h.queue("b", lease.Paths("z")).stillWaits()
		h.queue("c", lease.Paths("x")).stillWaits()
	}},
	{"Deadlock/OfATry", "a try without a place never waits, so it gets a plain conflict", func(h *harness) {
		h.hold("a", lease.Paths("x"))
		h.hold("b", lease.Paths("y"))
		h.queue("a", lease.Paths("y"))
		conflict := h.denied("b", lease.Paths("x"))
		require.NotErrorIs(h, conflict, lease.ErrDeadlock)
		require.Empty(h, conflict.Cycle)
	}},
	{"Deadlock/OfAPlace", "a try that keeps a place does wait, so it gets ErrDeadlock and no place", func(h *harness) {
		h.hold("a", lease.Paths("x"))
		h.hold("b", lease.Paths("y"))
		h.queue("a", lease.Paths("y"))
		r := h.request("b", lease.Paths("x"))
		r.ID, r.QueueTTL = "place", h.units(50)
		require.ErrorIs(h, h.refused(h.M, r), lease.ErrDeadlock)
		h.counts(2, 1)
	}},
	{"Deadlock/FoundAtAnyAsk", "a cycle that an earlier waiter did not see is found when it asks again", func(h *harness) {
		d := h.direct()
		h.hold("a", lease.Paths("x"))
		h.hold("b", lease.Paths("y"))
		blind := d.args(h.request("a", lease.Paths("y")), "first", h.units(50))
		blind.Deadlock = false
		require.Equal(h, backend.Queued, d.ask(blind).Outcome)
		second := d.args(h.request("b", lease.Paths("x")), "second", h.units(50))
		second.Deadlock = false
		require.Equal(h, backend.Queued, d.ask(second).Outcome)
		blind.Deadlock, blind.Again = true, true
		require.Equal(h, backend.Deadlocked, d.ask(blind).Outcome)
		second.Deadlock, second.Again = true, true
		require.Equal(h, backend.Queued, d.ask(second).Outcome)
	}},
}

// deadlocked requires that waiting for the request is refused as a deadlock.
func (h *harness) deadlocked(m lease.Acquirer, r lease.Request) *lease.ConflictError {
	h.Helper()
	_, err := m.Acquire(h.Context(), r)
	require.ErrorIs(h, err, lease.ErrDeadlock)
	require.ErrorIs(h, err, lease.ErrConflict)
	require.NotErrorIs(h, err, lease.ErrTimeout)
	var conflict *lease.ConflictError
	require.ErrorAs(h, err, &conflict)
	return conflict
}

// awaited returns the call's lease, which one of two others wants whose holders
// wait for each other: exactly one of them must be told of the deadlock.
func (w *waiting) awaited(one, other *waiting) lease.Lease {
	w.h.Helper()
	l := w.soon()
	select {
	case <-one.done:
	case <-other.done:
		one, other = other, one
	case <-w.h.Context().Done():
	}
	one.failed(lease.ErrDeadlock)
	other.stillWaits()
	return l
}
