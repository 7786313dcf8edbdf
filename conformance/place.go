package conformance

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// placeCases: places in line that clients keep across calls (Request.QueueTTL).
var placeCases = []testCase{
	{"Place/Kept", "a try with QueueTTL keeps a place, and says which", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		require.Equal(h, 1, h.refused(h.M, h.placed("b", 50)).Position)
		require.Equal(h, 2, h.refused(h.M, h.placed("c", 50)).Position)
		h.counts(1, 2)
		require.Equal(h, lease.Pending, h.get("b").Status)
	}},
	{"Place/FreePathIsGranted", "a try with QueueTTL that nobody is in the way of is granted", func(h *harness) {
		h.acquire(h.M, h.placed("b", 50))
		h.counts(1, 0)
	}},
	{"Place/BlocksOthers", "a place counts against those who come later, while it lasts", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		h.refused(h.M, h.placed("b", 50))
		h.release(held)
		require.Equal(h, "b", h.denied("c", lease.Paths("f")).Blockers[0].Holder)
	}},
	{"Place/GrantedWhenAsked", "the first in line is granted when it asks again", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		h.refused(h.M, h.placed("b", 50))
		h.refused(h.M, h.placed("c", 50))
		h.release(held)
		require.Equal(h, "b", h.refused(h.M, h.placed("c", 50)).Blockers[0].Holder)
		h.acquire(h.open(), h.placed("b", 50))
	}},
	{"Place/MovesUp", "a place moves up when those before it go", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		for _, holder := range []string{"b", "c", "d"} {
			h.refused(h.M, h.placed(holder, 50))
		}
		require.Equal(h, 3, h.refused(h.M, h.placed("d", 50)).Position)
		require.NoError(h, h.M.Release(h.Context(), lease.Ref{ID: "b", Holder: "b"}))
		require.Equal(h, 2, h.refused(h.M, h.placed("d", 50)).Position)
	}},
	{"Place/Lapses", "a place that is not asked for again in time is gone, and those behind it move up", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		h.refused(h.M, h.placed("b", 3))
		require.Equal(h, 2, h.refused(h.M, h.placed("c", 50)).Position)
		h.pass(h.units(3) + resolution)
		l := h.get("b")
		require.Equal(h, lease.Failed, l.Status)
		require.Equal(h, lease.EndLapsed, l.EndReason)
		require.Equal(h, 1, h.refused(h.M, h.placed("c", 50)).Position)
		h.counts(1, 1)
	}},
	{"Place/LapsedAskedAnew", "a place that has lapsed may be asked for anew: it is the last one then", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		h.refused(h.M, h.placed("b", 3))
		h.refused(h.M, h.placed("c", 50))
		h.pass(h.units(3) + resolution)
		require.Equal(h, 2, h.refused(h.M, h.placed("b", 50)).Position)
	}},
	{"Place/AskingKeepsIt", "each ask keeps the place for another QueueTTL", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		h.refused(h.M, h.placed("b", 6))
		h.refused(h.M, h.placed("c", 50))
		for range 4 {
			h.sleep(2)
			require.Equal(h, 1, h.refused(h.M, h.placed("b", 6)).Position)
		}
		require.Equal(h, []lease.Kind{lease.KindQueued}, h.kinds("b"))
	}},
	{"Place/GivenUp", "Release gives up a place, which lets those behind it move, and may be repeated", func(h *harness) {
		h.hold("a", lease.SharedPaths("f"))
		h.refused(h.M, h.placed("b", 50))
		reader := h.queue("r", lease.SharedPaths("f"))
		ref := lease.Ref{ID: "b", Holder: "b"}
		h.lost(h.M.Release(h.Context(), lease.Ref{ID: "b", Holder: "c"}), lease.ErrNotHolder)
		reader.stillWaits()
		require.NoError(h, h.M.Release(h.Context(), ref))
		reader.soon()
		require.NoError(h, h.M.Release(h.Context(), ref))
		require.Equal(h, lease.EndCancelled, h.get("b").EndReason)
	}},
	{"Place/TakenOverByAWait", "a call of Acquire with the ID goes on waiting in the place", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		r := h.placed("b", 3)
		h.refused(h.M, r)
		h.refused(h.M, h.placed("c", 50))
		r.QueueTTL = 0
		w := h.wait(h.M, r)
		h.sleep(4) // longer than the place would have lasted
		h.release(held)
		w.soon()
	}},
	{"Place/FromAnotherHandle", "a place belongs to the request and not to the process that asked", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		first := h.manage(h.fixture.Open(h.TB), nil)
		h.refused(first, h.placed("b", 50))
		h.refused(h.M, h.placed("c", 50))
		require.NoError(h, first.Close())
		require.Equal(h, 1, h.refused(h.open(), h.placed("b", 50)).Position)
	}},
	{"Place/TryWithoutQueueTTL", "asking for one's place without QueueTTL tells the position and does not prolong it", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		h.refused(h.M, h.placed("b", 50))
		before := h.get("b").ExpiresAt
		h.sleep(1)
		r := h.placed("b", 50)
		r.QueueTTL = 0
		require.Equal(h, 1, h.refused(h.M, r).Position)
		h.counts(1, 1)
		require.Equal(h, before, h.get("b").ExpiresAt)
	}},
	{"Place/Disabled", "with waiting switched off no place is kept, and tries go on", func(h *harness) {
		h.set(func(c *lease.Config) { c.Blocking = false })
		_, err := h.M.TryAcquire(h.Context(), h.placed("b", 50))
		require.ErrorIs(h, err, lease.ErrDisabled)
		h.hold("b", lease.Paths("f"))
	}},
	{"Place/Reported", "a place says until when it is kept: QueueTTL from the ask", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		h.refused(h.M, h.placed("b", 50))
		l := h.get("b")
		kept := l.ExpiresAt.Sub(l.CreatedAt)
		require.InDelta(h, h.units(50), kept, float64(h.patience()))
		require.GreaterOrEqual(h, kept, h.units(50)-time.Millisecond)
	}},
}

// placed returns a try for the path "f" whose ID is its holder, with a place for
// n units.
func (h *harness) placed(holder string, n int) lease.Request {
	r := h.request(holder, lease.Paths("f"))
	r.ID, r.QueueTTL = lease.ID(holder), h.units(n)
	return r
}
