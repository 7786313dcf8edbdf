package conformance

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// under asks for the claims as a sub-lease of l.
func (h *harness) under(l lease.Lease, holder string, claims []lease.Claim) lease.Request {
	r := h.request(holder, claims)
	r.Parent = l.Ref()
	return r
}

// subleaseCases: leases under the cover of others.
var subleaseCases = []testCase{
	{"Sublease/WithinTheParent", "another holder is granted part of what the parent covers, with a newer token, and the parent is shown everywhere", func(h *harness) {
		parent := h.hold("a", lease.Trees("a"))
		child := h.acquire(h.open(), h.under(parent, "b", lease.Paths("a/b")))
		require.Greater(h, child.Token, parent.Token)
		require.Equal(h, parent.ID, child.Parent)
		require.Equal(h, parent.ID, h.get(child.ID).Parent)
		for _, e := range h.events(lease.Query{ID: child.ID}) {
			require.Equal(h, parent.ID, e.Lease.Parent)
		}
		listed := 0
		for l, err := range h.M.List(h.Context(), lease.Query{Holder: "b"}) {
			require.NoError(h, err)
			require.Equal(h, parent.ID, l.Parent)
			listed++
		}
		require.Equal(h, 1, listed)
	}},
	{"Sublease/OthersClash", "for everybody else it is a lease like any other: siblings, and the parent's own holder aside from its parent", func(h *harness) {
		parent := h.hold("a", lease.Trees("a"))
		h.acquire(h.M, h.under(parent, "b", lease.Paths("a/b")))
		h.refused(h.M, h.under(parent, "c", lease.Paths("a/b")))
		h.acquire(h.M, h.under(parent, "c", lease.Paths("a/c")))
		h.denied("d", lease.Paths("a/b"))
		h.denied("a", lease.Paths("a/b"))
		h.hold("a", lease.Paths("a/d"))
	}},
	{"Sublease/Claims", "claims outside the parent's are refused; a shared parent covers shared claims only", func(h *harness) {
		tree, exact, shared := h.hold("a", lease.Trees("a")), h.hold("a", lease.Paths("e")), h.hold("a", lease.SharedTrees("s"))
		for _, r := range []lease.Request{
			h.under(tree, "b", lease.Paths("ab")),
			h.under(tree, "b", lease.Paths("a/b", "e")),
			h.under(exact, "b", lease.Trees("e")),
			h.under(exact, "b", lease.Paths("e/f")),
			h.under(shared, "b", lease.Paths("s/t")),
		} {
			_, err := h.M.TryAcquire(h.Context(), r)
			h.invalid(err, "parent")
		}
		h.acquire(h.M, h.under(tree, "b", lease.Trees("a")))
		h.acquire(h.M, h.under(exact, "b", lease.SharedPaths("e")))
		h.acquire(h.M, h.under(shared, "b", lease.SharedPaths("s/t")))
	}},
	{"Sublease/ChainOfEight", "a chain has at most eight leases above, and none of them blocks", func(h *harness) {
		l := h.hold("h0", lease.Trees("a"))
		for i := range lease.MaxChain {
			l = h.acquire(h.M, h.under(l, fmt.Sprintf("h%d", i+1), lease.Trees("a")))
		}
		_, err := h.M.TryAcquire(h.Context(), h.under(l, "last", lease.Trees("a")))
		h.invalid(err, "parent")
	}},
	{"Sublease/NeverBeyondTheParent", "its expiry is never beyond the parent's, at its grant and at its renewals, and follows the parent's renewals", func(h *harness) {
		parent := h.brief("a", lease.Trees("a"), 20)
		child := h.acquire(h.M, h.under(parent, "b", lease.Paths("a/b")))
		require.Equal(h, parent.ExpiresAt, child.ExpiresAt)
		renewed, err := h.M.Renew(h.Context(), child.Ref(), h.units(30))
		require.NoError(h, err)
		require.Equal(h, parent.ExpiresAt, renewed.ExpiresAt)
		parent, err = h.M.Renew(h.Context(), parent.Ref(), h.units(40))
		require.NoError(h, err)
		renewed, err = h.M.Renew(h.Context(), child.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, parent.ExpiresAt, renewed.ExpiresAt)
		renewed, err = h.M.Renew(h.Context(), child.Ref(), h.units(10))
		require.NoError(h, err)
		require.True(h, renewed.ExpiresAt.Before(parent.ExpiresAt))
	}},
	{"Sublease/KeepsWhatItHad", "a renewal for its own TTL never moves its expiry backwards, if its parent was shortened meanwhile, too", func(h *harness) {
		parent := h.hold("a", lease.Trees("a"))
		child := h.acquire(h.M, h.under(parent, "b", lease.Paths("a/b")))
		parent, err := h.M.Renew(h.Context(), parent.Ref(), h.units(50))
		require.NoError(h, err)
		renewed, err := h.M.Renew(h.Context(), child.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, child.ExpiresAt, renewed.ExpiresAt)
		renewed, err = h.M.Renew(h.Context(), child.Ref(), h.units(500))
		require.NoError(h, err)
		require.Equal(h, parent.ExpiresAt, renewed.ExpiresAt)
	}},
	{"Sublease/Identity", "the parent is part of a request's identity", func(h *harness) {
		one, two := h.hold("a", lease.Trees("a")), h.hold("a", lease.Paths("b"))
		r := h.under(one, "b", lease.Paths("a/b"))
		r.ID = "child"
		first := h.acquire(h.M, r)
		require.Equal(h, first.Token, h.acquire(h.M, r).Token)
		r.Parent = two.Ref()
		_, err := h.M.TryAcquire(h.Context(), r)
		h.invalid(err, "id")
	}},
	{"Sublease/FullRef", "the parent is named by its full Ref", func(h *harness) {
		parent := h.hold("a", lease.Trees("a"))
		for _, ref := range []lease.Ref{
			{ID: parent.ID, Holder: "x", Token: parent.Token}, {ID: parent.ID, Holder: "a", Token: parent.Token + 1},
		} {
			r := h.request("b", lease.Paths("a/b"))
			r.Parent = ref
			_, err := h.M.TryAcquire(h.Context(), r)
			require.ErrorIs(h, err, lease.ErrNotHolder)
		}
	}},
	{"Sublease/ReplaceKeepsTheParent", "a successor without a parent takes over that of the lease it replaces, and its bounds", func(h *harness) {
		parent := h.hold("a", lease.Trees("a"))
		child := h.acquire(h.M, h.under(parent, "b", lease.Paths("a/b")))
		r := h.request("b", lease.Paths("a/b", "a/c"))
		r.Replace = child.Ref()
		next := h.acquire(h.M, r)
		require.Equal(h, parent.ID, next.Parent)
		out := h.request("b", lease.Paths("e"))
		out.Replace = next.Ref()
		_, err := h.M.TryAcquire(h.Context(), out)
		h.invalid(err, "parent")
		h.release(parent)
		again := h.request("b", lease.Paths("a/b"))
		again.Replace = next.Ref()
		_, err = h.M.TryAcquire(h.Context(), again)
		h.lost(err, lease.ErrReleased)
	}},
	{"Sublease/NoAncestorReplaced", "a sub-lease never replaces a lease of its own chain", func(h *harness) {
		top := h.hold("a", lease.Trees("a"))
		mid := h.acquire(h.M, h.under(top, "a", lease.Trees("a")))
		r := h.under(mid, "a", lease.Paths("a"))
		r.Replace = top.Ref()
		_, err := h.M.TryAcquire(h.Context(), r)
		h.invalid(err, "parent")
	}},
	{"Sublease/ReplacingAParentWaits", "who replaces a parent waits for the children that clash, and does not adopt the others", func(h *harness) {
		parent := h.hold("a", lease.Trees("a"))
		clashing := h.acquire(h.M, h.under(parent, "b", lease.Paths("a/b")))
		r := h.request("a", lease.Trees("a"))
		r.Replace = parent.Ref()
		h.refused(h.M, r)
		w := h.wait(h.M, r)
		h.release(clashing)
		require.Equal(h, parent.ID, w.soon().Replaced)
	}},
	{"Sublease/DeadlockThroughAParent", "a parent that waits for its child, which waits for the parent, is a deadlock", func(h *harness) {
		parent := h.hold("h1", append(lease.Trees("a"), lease.Paths("d")...))
		child := h.acquire(h.M, h.under(parent, "h2", lease.Paths("a/b")))
		w := h.queue("h1", lease.Paths("a/b"))
		h.deadlocked(h.M, h.request("h2", lease.Paths("d")))
		w.stillWaits()
		h.release(child)
		w.soon()
	}},
	{"Sublease/PassesWhoWaitsForTheParent", "a sub-lease is never queued behind somebody who waits for its parent", func(h *harness) {
		parent := h.hold("h1", lease.Trees("a"))
		h.queue("h5", lease.Paths("a/b"))
		h.acquire(h.M, h.under(parent, "h2", lease.Paths("a/b")))
	}},
	{"Sublease/PassesElsewhere", "nor is its holder, anywhere", func(h *harness) {
		parent := h.hold("h1", lease.Trees("a"))
		h.acquire(h.M, h.under(parent, "h2", lease.Paths("a/b/c")))
		h.queue("h5", lease.Paths("a/b", "d"))
		h.hold("h2", lease.Paths("d"))
	}},
	{"Sublease/PassesThroughAnEndedMember", "a member of the chain that has ended blocks nobody, and those above still count", func(h *harness) {
		top := h.hold("h1", lease.Trees("a"))
		mid := h.acquire(h.M, h.under(top, "h2", lease.Trees("a/b")))
		low := h.acquire(h.M, h.under(mid, "h3", lease.Paths("a/b/c")))
		h.release(mid)
		h.refused(h.M, h.request("h5", lease.Paths("a/b")))
		w := h.wait(h.M, h.under(low, "h4", lease.Paths("a/b/c")))
		require.Equal(h, low.ID, w.soon().Parent)
	}},
	{"Sublease/Upgrades", "a sub-lease upgrades under its parent", func(h *harness) {
		parent := h.hold("h1", lease.Trees("a"))
		reader := h.acquire(h.M, h.under(parent, "h2", lease.SharedPaths("a/b")))
		r := h.under(parent, "h2", lease.Paths("a/b"))
		r.Replace = reader.Ref()
		h.acquire(h.M, r)
	}},
	{"Sublease/WaitsForASibling", "who waits for a sibling is woken by its end", func(h *harness) {
		parent := h.hold("h1", lease.Trees("a"))
		sibling := h.acquire(h.M, h.under(parent, "h2", lease.Paths("a/b")))
		w := h.wait(h.open(), h.under(parent, "h3", lease.Paths("a/b")))
		w.stillWaits()
		h.release(sibling)
		require.Equal(h, parent.ID, w.soon().Parent)
	}},
	{"Sublease/OrphansDoNotPass", "once the parent has ended, its child's holder stands in line like anybody", func(h *harness) {
		parent := h.hold("h1", lease.Paths("a"))
		h.queue("h5", lease.Paths("a"))
		child := h.acquire(h.M, h.under(parent, "h2", lease.Paths("a")))
		h.release(parent)
		_, err := h.M.Renew(h.Context(), child.Ref(), 0)
		h.lost(err, lease.ErrReleased)
		h.denied("h2", lease.Paths("a"))
	}},
	{"Sublease/DowngradeAboveIt", "a parent's downgrade that waits is granted when the child lets go, and who waits under the parent fails", func(h *harness) {
		parent := h.hold("h1", lease.Trees("a"))
		child := h.acquire(h.M, h.under(parent, "h2", lease.Paths("a/b")))
		r := h.request("h1", lease.SharedTrees("a"))
		r.Replace = parent.Ref()
		down := h.wait(h.M, r)
		w := h.wait(h.M, h.under(parent, "h3", lease.Paths("a/b/c")))
		h.release(child)
		down.soon()
		w.returns()
		w.failed(lease.ErrReplaced)
	}},
	{"Sublease/LapsesWithTheParent", "who waits under a parent asks again when that expires, and fails with its error", func(h *harness) {
		parent := h.brief("a", lease.Trees("a"), 5)
		h.hold("b", lease.Paths("c"))
		h.acquire(h.M, h.under(parent, "b", lease.Paths("a/b")))
		w := h.wait(h.M, h.under(parent, "c", lease.Paths("a/b")))
		h.expire(parent)
		w.returns()
		w.failed(lease.ErrExpired)
	}},
	{"Sublease/PlaceEndsWithTheParent", "who waits under a lease has failed in the step that ended it, whether it asks again or not", func(h *harness) {
		parent := h.hold("a", lease.Trees("a"))
		h.acquire(h.M, h.under(parent, "b", lease.Paths("a/b")))
		const crowd = 5 // behind so many nobody is looked at to find whom to wake
		for i := range crowd {
			h.queue(fmt.Sprint("h", i), lease.Trees("a")).stillWaits()
		}
		r := h.under(parent, "c", lease.Paths("a/b"))
		r.ID, r.QueueTTL = "place", h.units(100)
		h.refused(h.M, r)
		h.release(parent)
		place := h.get("place")
		require.Equal(h, lease.Failed, place.Status)
		require.Equal(h, lease.EndReleased, place.EndReason)
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindWithdrawn}, h.kinds("place"))
		h.counts(1, crowd)
	}},
	{"Sublease/RetryNotAfterTheParent", "who waits under a lease is told to ask again when that ends, however long what blocks it lasts", func(h *harness) {
		parent := h.brief("a", lease.Trees("a"), 20)
		h.hold("a", lease.Paths("a/b"))
		conflict := h.refused(h.M, h.under(parent, "c", lease.Paths("a/b")))
		require.Positive(h, conflict.RetryAfter)
		require.LessOrEqual(h, conflict.RetryAfter, parent.TTL+resolution)
	}},
}

var subleaseEndCases = forEachEnd("Sublease/Parent",
	"the parent's end ends no granted sub-lease, but its renewal; it ends a waiting one, and refuses a new one, with the parent's error",
	func(h *harness, e end) {
		parent := h.brief("a", lease.Trees("a"), 5)
		child := h.acquire(h.M, h.under(parent, "b", lease.Paths("a/b")))
		w := h.wait(h.M, h.under(parent, "c", lease.Paths("a/b")))
		if e.name == "Replaced" || e.name == "Transferred" {
			h.release(child) // it clashes with the successor
			child = w.soon()
			w = h.wait(h.M, h.under(parent, "d", lease.Paths("a/b")))
			h.release(child)
			w.soon()
			h.release(w.lease)
			e.make(h, parent)
		} else {
			e.make(h, parent)
			w.returns()
			e.check(h, parent, w.err)
			if e.name != "Expired" {
				require.Equal(h, lease.Active, h.get(child.ID).Status)
			}
			_, err := h.M.Renew(h.Context(), child.Ref(), 0)
			require.Error(h, err)
		}
		_, err := h.M.TryAcquire(h.Context(), h.under(parent, "x", lease.Paths("a/q")))
		e.check(h, parent, err)
	})
