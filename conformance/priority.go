package conformance

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// priorityCases: a priority is a head start in the queue, and no more.
var priorityCases = []testCase{
	{"Priority/HeadStart", "a higher priority goes before a lower one that came a little earlier", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		low := h.urgent("low", 0)
		high := h.urgent("high", 1)
		highest := h.urgent("highest", 5)
		h.release(held)
		h.release(highest.soon())
		h.release(high.soon())
		low.soon()
	}},
	{"Priority/Ages", "who waits longer than the head start is passed no more: a low priority is served in bounded time", func(h *harness) {
		h.set(func(c *lease.Config) { c.PriorityBoost = h.units(1) })
		held := h.hold("a", lease.Paths("f"))
		low := h.urgent("low", 0)
		h.sleep(1)
		passes := h.urgent("passes", 4)
		h.sleep(3)
		late := h.urgent("late", 2) // its head start of 2 units does not reach back 4
		h.release(held)
		h.release(passes.soon())
		h.release(low.soon())
		late.soon()
	}},
	{"Priority/TiesByArrival", "equal priorities go by arrival", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		line := []*waiting{h.urgent("z", 3), h.urgent("y", 3), h.urgent("x", 3)}
		for _, w := range line {
			h.release(held)
			held = w.soon()
		}
	}},
	{"Priority/Negative", "a negative priority lets later ones go first", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		patient, normal := h.urgent("patient", -1), h.urgent("normal", 0)
		h.release(held)
		h.release(normal.soon())
		patient.soon()
	}},
	{"Priority/NeverPreempts", "a priority ends no lease", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		high := h.urgent("high", lease.MaxPriority)
		high.stillWaits()
		_, err := h.M.Renew(h.Context(), held.Ref(), 0)
		require.NoError(h, err)
	}},
	{"Priority/OfATry", "a try is judged as if it came now, with its priority", func(h *harness) {
		h.hold("a", lease.SharedPaths("f"))
		h.urgent("w", 1)
		r := h.request("b", lease.SharedPaths("f"))
		h.refused(h.M, r)
		r.Priority = 1 // came later
		h.refused(h.M, r)
		r.Priority = 2
		h.acquire(h.M, r)
	}},
	{"Priority/OfATryAges", "a waiter ages against tries too", func(h *harness) {
		h.set(func(c *lease.Config) { c.PriorityBoost = h.units(1) })
		h.hold("a", lease.SharedPaths("f"))
		h.urgent("w", 0)
		h.sleep(3)
		r := h.request("b", lease.SharedPaths("f"))
		r.Priority = 2
		h.refused(h.M, r)
		r.Priority = 10
		h.acquire(h.M, r)
	}},
	{"Priority/FixedAtArrival", "a place is fixed when the request first arrives: a later change of the boost moves nobody", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		low, high := h.urgent("low", 0), h.urgent("high", 1)
		h.set(func(c *lease.Config) { c.PriorityBoost = 0 })
		unmoved := h.urgent("unmoved", lease.MaxPriority) // no head start any more
		h.release(held)
		h.release(high.soon())
		h.release(low.soon())
		unmoved.soon()
	}},
	{"Priority/Kept", "asking again does not change a place, even with another priority", func(h *harness) {
		d := h.direct()
		h.hold("a", lease.Paths("f"))
		d.queued(h.request("b", lease.Paths("f")), "first", h.units(100))
		second := d.queued(h.request("c", lease.Paths("f")), "second", h.units(100))
		second.HeadStart, second.Again = time.Hour, true
		require.Equal(h, 2, d.ask(second).Position)
	}},
	{"Priority/Deep", "the highest and the lowest priority are both places in line", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		low, middle, high := h.urgent("low", -lease.MaxPriority), h.urgent("middle", 0), h.urgent("high", lease.MaxPriority)
		h.release(held)
		h.release(high.soon())
		h.release(middle.soon())
		require.Equal(h, -lease.MaxPriority, low.soon().Priority)
	}},
}

// urgent queues for the path "f" with a priority.
func (h *harness) urgent(holder string, priority int) *waiting {
	h.Helper()
	r := h.request(holder, lease.Paths("f"))
	r.Priority = priority
	return h.wait(h.M, r)
}
