package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// everyQueryCases: each part of a query, and each name that a call may have, with
// every other.
var everyQueryCases = []testCase{
	{"Every/StatusOfAForce", "a forced release ends what lives in one of the statuses that are asked for, whichever they are and in whatever order", statusesOfForce},
	{"Every/PartOfAForce", "a forced release ends what each part of its query selects, and nothing that one of them leaves out", partsOfForce},
	{"Every/StatusOfAList", "a list shows what is in one of the statuses that are asked for, whichever they are, and whatever else the query names", statusesOfList},
	{"Every/LongestName", "an ID and a holder of as many bytes as there may be are good wherever a call names them, and with one byte more nowhere", longestNames},
}

var statuses = []lease.Status{lease.Pending, lease.Active, lease.Expired, lease.Released, lease.Failed}

// subset returns the statuses whose bits are set in n; the last first if n is odd.
func subset(n int) []lease.Status {
	var some []lease.Status
	for i, s := range statuses {
		if n&(1<<i) != 0 {
			some = append(some, s)
		}
	}
	if n%2 == 1 {
		slices.Reverse(some)
	}
	return some
}

func statusesOfForce(h *harness) {
	for n := range 1 << len(statuses) {
		path := fmt.Sprintf("d%d/f", n)
		h.release(h.hold("r", lease.Paths(path)))
		active := h.hold("a", lease.SharedPaths(path))
		waiter := h.request("w", lease.Paths(path))
		waiter.ID, waiter.QueueTTL = lease.ID(fmt.Sprint("waiter ", n)), h.units(600)
		h.refused(h.M, waiter)
		q := lease.Query{Under: fmt.Sprint("d", n), Status: subset(n)}
		var want []lease.ID
		for _, live := range []struct {
			id lease.ID
			in lease.Status
		}{{active.ID, lease.Active}, {waiter.ID, lease.Pending}} {
			if n == 0 || slices.Contains(q.Status, live.in) {
				want = append(want, live.id)
			}
		}
		require.ElementsMatch(h, want, idsOf(h.force(q)), "of %v", q.Status)
		require.Len(h, h.listed(lease.Query{Under: q.Under}), 2-len(want), "after %v", q.Status)
	}
}

func partsOfForce(h *harness) {
	l := h.hold("a", append(lease.Paths("d/f"), lease.Trees("e")...))
	w := h.request("a", lease.Paths("g/f"))
	w.ID, w.QueueTTL = "waits", h.units(600)
	other := h.hold("b", lease.Paths("g/f"))
	h.refused(h.M, w)
	parts := func(i int, all ...string) string { return all[i] }
	for _, target := range []struct {
		id          lease.ID
		path, under string
	}{{l.ID, "d/f", "e"}, {w.ID, "g/f", "g"}} {
		for n := range 81 {
			i, j, k, m := n%3, n/3%3, n/9%3, n/27
			q := lease.Query{
				ID:     lease.ID(parts(i, "", string(target.id), string(other.ID))),
				Holder: parts(j, "", "a", "b"), Path: parts(k, "", target.path, "h"), Under: parts(m, "", target.under, "h"),
			}
			if i != 2 && j != 2 && k != 2 && m != 2 {
				continue // it may select the target
			}
			if i == 2 && j != 1 && k != 2 && m != 2 || i == 0 && j == 2 && k != 2 && m != 2 {
				continue // it may select the other one
			}
			require.Empty(h, h.force(q), "%+v", q)
		}
	}
	h.counts(2, 1)
	require.Equal(h, []lease.ID{l.ID}, idsOf(h.force(lease.Query{ID: l.ID, Holder: "a", Path: "d/f", Under: "e"})))
	require.Equal(h, []lease.ID{"waits"}, idsOf(h.force(lease.Query{ID: "waits", Holder: "a", Path: "g/f", Under: "g"})))
	h.counts(1, 0)
}

func statusesOfList(h *harness) {
	h.manualSweep()
	in := map[lease.Status][]lease.ID{}
	note := func(s lease.Status, id lease.ID) { in[s] = append(in[s], id) }
	for i := range 2 {
		path := lease.Paths(fmt.Sprintf("d/f%d", i))
		note(lease.Expired, h.brief("a", path, 2).ID)
		h.sleep(3)
		released := h.hold("a", path)
		h.release(released)
		note(lease.Released, released.ID)
		failed := h.hold("a", path)
		h.force(lease.Query{ID: failed.ID})
		note(lease.Failed, failed.ID)
		note(lease.Active, h.hold("a", path).ID)
		r := h.request("b", path)
		r.ID, r.QueueTTL = lease.ID(fmt.Sprint("waits", i)), h.units(600)
		h.refused(h.M, r)
		note(lease.Pending, r.ID)
	}
	for n := range 1 << len(statuses) {
		some := subset(n)
		meant := some
		if n == 0 {
			meant = []lease.Status{lease.Active, lease.Pending}
		}
		var all, first, waiters []lease.ID
		for _, s := range meant {
			all, first = append(all, in[s]...), append(first, in[s][0])
			if s == lease.Pending {
				waiters = in[s]
			}
		}
		require.ElementsMatch(h, all, h.listed(lease.Query{Status: some}), "%v", some)
		require.ElementsMatch(h, all, h.listed(lease.Query{Status: some, Under: "d"}), "%v under a path", some)
		require.ElementsMatch(h, first, h.listed(lease.Query{Status: some, Path: "d/f0"}), "%v of a path", some)
		require.ElementsMatch(h, waiters, h.listed(lease.Query{Status: some, Holder: "b"}), "%v of a holder", some)
		require.ElementsMatch(h, waiters, h.listed(lease.Query{Status: some, Holder: "b", Under: "d"}), "%v of a holder under a path", some)
		for s, ids := range in {
			var want []lease.ID
			if n == 0 || slices.Contains(some, s) { // by its ID what has ended is found too
				want = ids[:1]
			}
			require.Equal(h, want, h.listed(lease.Query{Status: some, ID: ids[0]}), "%v by an ID, which is %v", some, s)
		}
	}
}

func longestNames(h *harness) {
	ctx := h.Context()
	id, holder := lease.ID(strings.Repeat("i", lease.MaxIDBytes)), strings.Repeat("h", lease.MaxHolderBytes)
	r := h.request(holder, lease.Trees("d"))
	r.ID = id
	l := h.acquire(h.M, r)
	first := func(seq func(func(lease.Lease, error) bool)) (err error) {
		for _, err = range seq {
			break
		}
		return err
	}
	ask := func(change func(*lease.Request)) error {
		r := h.request("x", lease.Paths("d/f"))
		change(&r)
		made, err := h.M.TryAcquire(ctx, r)
		if err == nil {
			err = h.M.Release(ctx, made.Ref())
		}
		return err
	}
	for _, call := range []struct {
		name, prefix string // of the call, and of the fields that it names
		make         func(ref lease.Ref) error
	}{
		{"Renew", "", func(ref lease.Ref) error { _, err := h.M.Renew(ctx, ref, 0); return err }},
		{"SetLabels", "", func(ref lease.Ref) error { _, err := h.M.SetLabels(ctx, ref, nil); return err }},
		{"Query.ID", "", func(ref lease.Ref) error { return first(h.M.List(ctx, lease.Query{ID: ref.ID, Holder: ref.Holder})) }},
		{"History", "", func(ref lease.Ref) (err error) {
			for _, err = range h.M.History(ctx, lease.Query{ID: ref.ID, Holder: ref.Holder}) {
				break
			}
			return err
		}},
		{"Verify", "", func(ref lease.Ref) error {
			err := lease.Verify(ctx, h.M, ref, "d")
			if len(ref.Holder) > lease.MaxHolderBytes { // it asks for the ID alone
				require.ErrorIs(h, err, lease.ErrNotHolder)
				return lease.Invalid("holder", "")
			}
			return err
		}},
		{"Parent", "parent.", func(ref lease.Ref) error { return ask(func(r *lease.Request) { r.Parent = ref }) }},
		{"TryAcquire", "", func(ref lease.Ref) error {
			r.ID, r.Holder = ref.ID, ref.Holder
			_, err := h.M.TryAcquire(ctx, r)
			return err
		}},
		{"Replace", "replace.", func(ref lease.Ref) error {
			r := h.request(holder, lease.Trees("d"))
			r.Replace = ref
			made, err := h.M.TryAcquire(ctx, r)
			if err == nil {
				r.ID, r.Replace = id+"x", made.Ref()
				r.ID = r.ID[1:]
				l, err = h.M.TryAcquire(ctx, r)
			}
			return err
		}},
		{"Release", "", func(ref lease.Ref) error { return h.M.Release(ctx, ref) }},
		{"ForceRelease", "", func(ref lease.Ref) error {
			_, err := h.M.ForceRelease(ctx, lease.Query{ID: ref.ID, Holder: ref.Holder}, lease.Revocation{Actor: "root"})
			return err
		}},
	} {
		long := l.Ref()
		long.ID += "x"
		h.invalid(call.make(long), call.prefix+"id")
		long = l.Ref()
		long.Holder += "x"
		h.invalid(call.make(long), call.prefix+"holder")
		require.NoError(h, call.make(l.Ref()), call.name)
	}
}
