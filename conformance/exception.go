package conformance

import (
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// exceptionCases: a holder is never queued behind somebody who waits for it,
// directly or through others. The scripts are the shortest ones that a model
// checker found to break a simpler rule.
var exceptionCases = []testCase{
	{"Exception/Reentry", "a holder takes its own path again although somebody waits for it", func(h *harness) {
		first := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		second := h.hold("a", lease.Paths("f"))
		h.release(first)
		w.stillWaits()
		h.release(second)
		w.soon()
	}},
	{"Exception/ReentryBelow", "the same for a path below the one it holds", func(h *harness) {
		h.hold("a", lease.Trees("d"))
		h.queue("b", lease.Paths("d/x"))
		h.hold("a", lease.Paths("d/x"))
		h.hold("a", lease.Trees("d/x"))
	}},
	{"Exception/Replace", "a holder replaces its own lease although somebody waits for it", func(h *harness) {
		l := h.hold("h1", lease.Paths("a"))
		w := h.queue("h4", lease.Paths("a"))
		next := h.succeed(l, "h1")
		w.stillWaits()
		h.release(next)
		w.soon()
	}},
	{"Exception/OnlyWhileItHolds", "a holder without a lease that somebody waits for stands in line like everybody", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		h.hold("c", lease.Paths("g"))
		h.queue("b", lease.Paths("f", "g"))
		h.hold("a", lease.Paths("f"))
		h.release(l)
		h.hold("a", lease.Paths("f"))
		h.denied("d", lease.Paths("f"))
	}},
	{"Exception/ExpiredIsNotHeld", "an expired lease makes no exception", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 2)
		h.hold("c", lease.Paths("g"))
		w := h.queue("b", lease.Paths("f", "g"))
		h.expire(l)
		h.denied("a", lease.Paths("f"))
		w.stillWaits()
	}},
	{"Exception/ThroughALine", "who waits behind a waiter waits for whom that one waits", func(h *harness) {
		l := h.hold("h2", lease.Paths("a"))
		both := h.queue("h3", lease.Paths("a", "d"))
		behind := h.queue("h4", lease.Paths("d"))
		free := h.hold("h2", lease.Paths("d"))
		h.release(l)
		both.stillWaits()
		h.release(free)
		h.release(both.soon())
		behind.soon()
	}},
	{"Exception/ThroughALease", "who waits for a lease waits for whom that lease's holder waits", func(h *harness) {
		h.hold("h1", lease.Paths("a"))
		h.hold("h2", lease.Paths("b"))
		h.queue("h2", lease.Paths("a"))
		h.queue("h3", lease.Paths("b", "c"))
		h.hold("h1", lease.Paths("c"))
		h.denied("h4", lease.Paths("c"))
	}},
	{"Exception/NotForOthers", "the exception is the awaited holder's alone", func(h *harness) {
		h.hold("h1", lease.Paths("a"))
		h.queue("h2", lease.Paths("a", "c"))
		h.denied("h3", lease.Paths("c"))
		h.hold("h3", lease.Paths("d"))
		h.denied("h3", lease.Paths("c"))
	}},
	{"Exception/ArisesByANewWaiter", "a waiter that somebody begins to wait for is let past that one at once", func(h *harness) {
		h.hold("h1", lease.Paths("a"))
		h.hold("h4", lease.Paths("e"))
		h.queue("h3", lease.Paths("a", "c"))
		behind := h.queue("h4", lease.Paths("c"))
		behind.stillWaits()
		h.queue("h1", lease.Paths("e")) // now h3 waits for h1, and h1 for h4
		behind.soon()
	}},
	{"Exception/ArisesByAGrant", "a waiter whose holder is granted what an earlier one waits for is let past that one at once", func(h *harness) {
		h.hold("h1", lease.Paths("x"))
		h.queue("h3", lease.Paths("b", "c", "x"))
		behind := h.queue("h2", lease.Paths("c"))
		behind.stillWaits()
		r := h.request("h2", lease.Paths("b"))
		r.Priority = lease.MaxPriority // so that it is granted before h3
		h.acquire(h.M, r)              // now h3 waits for h2
		behind.soon()
	}},
	{"Exception/ArisesByAnOvertaker", "the same if the new waiter itself owns nothing, and only goes before the one in the way", func(h *harness) {
		h.hold("h1", lease.Paths("a"))
		h.hold("h9", lease.Paths("x"))
		h.queue("h3", lease.Paths("c", "d", "x"))
		behind := h.queue("h1", lease.Paths("c"))
		behind.stillWaits()
		r := h.request("h2", lease.Paths("a", "d"))
		r.Priority = 1 // so that h3 is behind it, and so waits for h1
		h.wait(h.M, r)
		behind.soon()
	}},
	{"Exception/DrainsWithPriorities", "trees, priorities and the exception together get nobody stuck", func(h *harness) {
		h.hold("h1", lease.Paths("a/b"))
		below := h.hold("h3", lease.Paths("a/b/c"))
		tree := h.queue("h2", lease.Trees("a/b"))
		r := h.request("h1", lease.Trees("a/b"))
		r.Priority = -2
		own := h.wait(h.M, r)
		last := h.queue("h4", lease.Paths("a/b/c"))
		h.release(below)
		h.release(own.soon())
		tree.stillWaits()
		for l, err := range h.M.List(h.Context(), lease.Query{Holder: "h1"}) {
			require.NoError(h, err)
			h.release(l)
		}
		h.release(tree.soon())
		last.soon()
	}},
}
