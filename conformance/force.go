package conformance

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// forceCases: ending by force what others hold.
var forceCases = []testCase{
	{"Force/ByHolder", "a forced release by holder ends all that one holds and waits for, and nothing else", func(h *harness) {
		first, second := h.hold("a", lease.Paths("f")), h.hold("a", lease.Trees("g"))
		other := h.hold("a1", lease.Paths("h"))
		w := h.queue("a", lease.Paths("h"))
		require.Equal(h, []lease.ID{first.ID, second.ID, w.ID}, idsOf(h.force(lease.Query{Holder: "a"})))
		require.Equal(h, []lease.ID{other.ID}, h.ids(lease.Query{}))
		w.returns()
		h.lost(w.failed(lease.ErrRevoked), lease.ErrRevoked)
	}},
	{"Force/ByID", "a forced release by ID ends that one", func(h *harness) {
		l, other := h.hold("a", lease.Paths("f")), h.hold("a", lease.Paths("g"))
		require.Equal(h, []lease.ID{l.ID}, idsOf(h.force(lease.Query{ID: l.ID})))
		require.Equal(h, []lease.ID{other.ID}, h.ids(lease.Query{}))
	}},
	{"Force/ByPath", "a forced release by path ends the leases of that path, of all their paths", func(h *harness) {
		first := h.hold("a", lease.SharedPaths("d/f", "x"))
		second := h.hold("b", lease.SharedPaths("d/f"))
		other := h.hold("c", lease.Paths("d/g"))
		require.Equal(h, []lease.ID{first.ID, second.ID}, idsOf(h.force(lease.Query{Path: "/d//f"})))
		require.Equal(h, []lease.ID{other.ID}, h.ids(lease.Query{}))
		h.hold("c", lease.Paths("x"))
	}},
	{"Force/Under", "a forced release under a path ends what has a claim at or below it", func(h *harness) {
		at, below := h.hold("a", lease.Trees("d/e")), h.hold("a", lease.Paths("d/e/f", "x"))
		above, beside := h.hold("a", lease.Trees("d")), h.hold("a", lease.Paths("d/ef"))
		require.Equal(h, []lease.ID{at.ID, below.ID}, idsOf(h.force(lease.Query{Under: "d/e"})))
		require.Equal(h, []lease.ID{above.ID, beside.ID}, h.ids(lease.Query{}))
	}},
	{"Force/All", "everything is ended only if that is said", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		_, err := h.M.ForceRelease(h.Context(), lease.Query{}, lease.Revocation{Actor: "root"})
		h.invalid(err, "query")
		h.counts(1, 1)
		require.Equal(h, []lease.ID{l.ID, w.ID}, idsOf(h.force(lease.Query{All: true})))
		h.counts(0, 0)
	}},
	{"Force/NarrowedIsEverything", "a query that names nobody and nothing selects everything, however a status, a kind, an event or a limit narrows it down", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		h.queue("b", lease.Paths("f"))
		for _, q := range []lease.Query{
			{Status: []lease.Status{lease.Active}},
			{Status: []lease.Status{lease.Pending}},
			{Kinds: []lease.Kind{lease.KindGranted}},
			{After: 1},
			{Limit: 1},
		} {
			_, err := h.M.ForceRelease(h.Context(), q, lease.Revocation{Actor: "root"})
			h.invalid(err, "query")
		}
		h.counts(1, 1)
	}},
	{"Force/OnlyThroughTheTree", "a lease of a whole tree that only the path reaches is not ended, and neither is anything else", func(h *harness) {
		h.hold("a", lease.SharedPaths("d/e/f"))
		tree := h.hold("b", lease.SharedTrees("d"))
		h.queue("c", lease.Paths("d/e/f"))
		before := h.stats().Head
		_, err := h.M.ForceRelease(h.Context(), lease.Query{Path: "d/e/f"}, lease.Revocation{Actor: "root"})
		h.invalid(err, "path")
		require.Equal(h, before, h.stats().Head)
		require.Equal(h, []lease.ID{tree.ID}, idsOf(h.force(lease.Query{Path: "d"})), "at its own path it is meant")
	}},
	{"Force/TreeByOtherNames", "a lease of a tree is ended by whatever else names it", func(h *harness) {
		for _, name := range []func(l lease.Lease) lease.Query{
			func(l lease.Lease) lease.Query { return lease.Query{Path: "d/e", Holder: l.Holder} },
			func(l lease.Lease) lease.Query { return lease.Query{Path: "d/e", ID: l.ID} },
			func(lease.Lease) lease.Query { return lease.Query{Path: "d/e", Under: "/"} },
		} {
			l := h.hold("a", lease.Trees("d"))
			require.Equal(h, []lease.ID{l.ID}, idsOf(h.force(name(l))))
		}
	}},
	{"Force/Returned", "what was ended is returned as it then was", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		ended := h.force(lease.Query{ID: l.ID})
		require.Len(h, ended, 1)
		require.Equal(h, lease.Failed, ended[0].Status)
		require.Equal(h, lease.EndRevoked, ended[0].EndReason)
		require.Equal(h, l.Claims, ended[0].Claims)
		require.False(h, ended[0].Valid())
		h.sameLease(ended[0], h.get(l.ID))
	}},
	{"Force/HolderTold", "the holder is told by its next call who ended it, and why", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		h.force(lease.Query{ID: l.ID})
		_, renewed := h.M.Renew(h.Context(), l.Ref(), 0)
		again := h.request("a", lease.Paths("f"))
		again.ID = l.ID
		_, asked := h.M.TryAcquire(h.Context(), again)
		for _, err := range []error{renewed, asked, h.M.Release(h.Context(), l.Ref())} {
			lost := h.lost(err, lease.ErrRevoked)
			require.Equal(h, [2]string{"root", "stuck"}, [2]string{lost.Actor, lost.Reason})
		}
	}},
	{"Force/WaiterTold", "a waiting call is told at once that it was ended by force, by whom, and why", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		w := h.wait(h.open(), h.request("b", lease.Paths("f")))
		h.force(lease.Query{ID: w.ID})
		w.returns()
		lost := h.lost(w.failed(lease.ErrRevoked), lease.ErrRevoked)
		require.Equal(h, [2]string{"root", "stuck"}, [2]string{lost.Actor, lost.Reason})
	}},
	{"Force/FreesThePath", "what was ended by force is free at once, and who waits for it is granted it", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		h.force(lease.Query{Holder: "a"})
		w.soon()
	}},
	{"Force/FreesTheQueue", "a waiter ended by force frees who waits behind it", func(h *harness) {
		h.hold("a", lease.SharedPaths("f"))
		writer := h.queue("b", lease.Paths("f"))
		reader := h.queue("c", lease.SharedPaths("f"))
		reader.stillWaits()
		h.force(lease.Query{ID: writer.ID})
		reader.soon()
	}},
	{"Force/ByStatus", "a query's status chooses between leases and waiters", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		w := h.queue("a1", lease.Paths("f"))
		require.Equal(h, []lease.ID{w.ID}, idsOf(h.force(lease.Query{All: true, Status: []lease.Status{lease.Pending}})))
		require.Equal(h, []lease.ID{l.ID}, idsOf(h.force(lease.Query{Under: "/", Status: []lease.Status{lease.Active}})))
	}},
	{"Force/ByStatusOfMany", "a query's status chooses among any number of others", func(h *harness) {
		const n = 600
		var want []lease.ID
		for i := range n {
			h.hold("a", lease.Paths(fmt.Sprintf("d/f%d", i)))
		}
		w := h.queue("b", lease.Paths("d/f0"))
		pending := lease.Query{Under: "d", Status: []lease.Status{lease.Pending}}
		require.Equal(h, []lease.ID{w.ID}, idsOf(h.force(pending)))
		w.failed(lease.ErrRevoked)
		require.Empty(h, h.force(lease.Query{All: true, Status: []lease.Status{lease.Released}}))
		want = h.ids(lease.Query{})
		require.Len(h, want, n)
		require.ElementsMatch(h, want, idsOf(h.force(lease.Query{Under: "d", Status: []lease.Status{lease.Active}})))
		h.counts(0, 0)
	}},
	{"Force/TreeOfAnotherStatus", "a lease of a tree that the query's status leaves out does not keep a forced release by path from ending the rest", func(h *harness) {
		tree := h.hold("a", lease.SharedTrees("d"))
		l := h.hold("b", lease.SharedPaths("d/f"))
		w := h.queue("c", lease.Paths("d/f"))
		pending := lease.Query{Path: "d/f", Status: []lease.Status{lease.Pending}}
		require.Equal(h, []lease.ID{w.ID}, idsOf(h.force(pending)))
		_, err := h.M.ForceRelease(h.Context(), lease.Query{Path: "d/f"}, lease.Revocation{Actor: "root"})
		h.invalid(err, "path")
		require.Equal(h, []lease.ID{tree.ID, l.ID}, h.ids(lease.Query{}))
	}},
	{"Force/Repeated", "a call that arrives twice ends nothing the second time, and is told what the first one ended", func(h *harness) {
		var want []lease.ID
		for i := range 4 {
			want = append(want, h.hold("a", lease.Paths(fmt.Sprint("f", i))).ID)
		}
		w := h.queue("a", lease.Paths("x", "y"))
		h.release(w.granted())
		d := h.direct()
		for i, limit := range []int{2, 0} {
			args := backend.ForceArgs{
				Query: lease.Query{Holder: "a", Limit: limit}, Revocation: lease.Revocation{Actor: "root"}, Op: fmt.Sprint("op", i),
			}
			first, err := d.Force(h.Context(), args)
			require.NoError(h, err)
			require.Equal(h, want[2*i:2*i+2], idsOf(first.Leases))
			h.hold("a", lease.Paths("later"))
			second, err := d.Force(h.Context(), args)
			require.NoError(h, err)
			require.Equal(h, first, second)
			h.force(lease.Query{Path: "later"})
		}
	}},
	{"Force/Limit", "a query's limit bounds how many are ended: those that arrived first", func(h *harness) {
		var want []lease.ID
		for i := range 5 {
			want = append(want, h.hold("a", lease.Paths(fmt.Sprintf("f%d", i))).ID)
		}
		require.Equal(h, want[:2], idsOf(h.force(lease.Query{Holder: "a", Limit: 2})))
		require.Equal(h, want[2:], h.ids(lease.Query{}))
	}},
	{"Force/Many", "one call ends all that it selects, however much", func(h *harness) {
		const n = 600
		for i := range n {
			h.hold("a", lease.Paths(fmt.Sprintf("f%d", i)))
		}
		l := h.hold("b", lease.Paths("g"))
		require.Len(h, h.force(lease.Query{Holder: "a"}), n)
		require.Equal(h, []lease.ID{l.ID}, h.ids(lease.Query{}))
		require.Len(h, h.events(lease.Query{Kinds: []lease.Kind{lease.KindRevoked}}), n)
	}},
	{"Force/NotTheExpired", "what has expired is recorded as that, and not as ended by force", func(h *harness) {
		h.manualSweep()
		l := h.brief("a", lease.Paths("f"), 1)
		h.expire(l)
		require.Empty(h, h.force(lease.Query{Holder: "a"}))
		require.Equal(h, lease.EndExpired, h.get(l.ID).EndReason)
	}},
	{"Force/OneEventEach", "each lease and each waiter that was ended by force is recorded once, with actor and reason", func(h *harness) {
		first, second := h.hold("a", lease.Paths("f")), h.hold("a", lease.Paths("g"))
		w := h.queue("a", lease.Paths("x", "y"))
		h.release(w.granted())
		blocked := h.hold("b", lease.Paths("x"))
		w = h.queue("a", lease.Paths("x"))
		h.force(lease.Query{Holder: "a"})
		events := h.events(lease.Query{Kinds: []lease.Kind{lease.KindRevoked}})
		require.Len(h, events, 3)
		for i, id := range []lease.ID{first.ID, second.ID, w.ID} {
			require.Equal(h, id, events[i].Lease.ID)
			require.Equal(h, [2]string{"root", "stuck"}, [2]string{events[i].Actor, events[i].Reason})
		}
		h.release(blocked)
	}},
	{"Force/NothingThere", "a query that selects nothing ends nothing, and that is no error", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		before := h.stats().Head
		require.Empty(h, h.force(lease.Query{Holder: "b"}))
		require.Equal(h, before, h.stats().Head)
	}},
	{"Force/ActorRequired", "who ends by force must say who it is, within the limits", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		for _, c := range []struct {
			field string
			force lease.Revocation
		}{
			{"actor", lease.Revocation{Reason: "stuck"}},
			{"actor", lease.Revocation{Actor: strings.Repeat("x", lease.MaxActorBytes+1)}},
			{"actor", lease.Revocation{Actor: "\xff"}},
			{"reason", lease.Revocation{Actor: "root", Reason: strings.Repeat("x", lease.MaxReasonBytes+1)}},
		} {
			_, err := h.M.ForceRelease(h.Context(), lease.Query{Holder: "a"}, c.force)
			h.invalid(err, c.field)
		}
		h.counts(1, 0)
	}},
}

func idsOf(leases []lease.Lease) []lease.ID {
	ids := make([]lease.ID, len(leases))
	for i, l := range leases {
		ids[i] = l.ID
	}
	return ids
}
