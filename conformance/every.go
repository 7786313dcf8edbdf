package conformance

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// everyCases: what holds for all of a kind is tried with each of it.
var everyCases = []testCase{
	{"Every/PartOfTheIdentity", "each part of the holder, the claims, Replace and Parent is part of what an ID names, of what waits as of what is held", partsOfTheIdentity},
	{"Every/QueryMasksTokens", "tokens are hidden whatever else is asked for, and shown with it to who names a holder or an ID, or wants all", masksOfQueries},
	{"Every/DurationIsWhole", "each duration of the configuration is rounded up to the whole milliseconds that stores count in", durationsAreWhole},
	{"Every/LimitOfClaims", "as many claims, bytes of paths and parts of paths as a request may have are granted, and one more is not", limitsOfClaims},
	{"Every/NameInATree", "a tree reaches every name there may be below it, at every depth, and no name beside it", namesInATree},
	{"Every/PairBehindATree", "of those who wait for a tree's end and exclude each other in nothing, each is granted at once", pairsBehindATree},
	{"Every/PriorityOfContention", "the most urgent of those who wait is told whatever the priorities, those below 0 too, and since when the first of them waits", prioritiesOfContention},
}

func partsOfTheIdentity(h *harness) {
	old, other := h.hold("a", lease.SharedPaths("f")), h.hold("a", lease.SharedPaths("f"))
	reader := h.hold("b", lease.SharedPaths("f"))
	parent, twin := h.hold("p", lease.Trees("d")), h.hold("p", lease.Trees("e"))
	child := h.acquire(h.M, h.under(parent, "reader", lease.SharedPaths("d/f")))

	type part struct {
		name   string
		change func(*lease.Request)
	}
	common := []part{
		{"holder", func(r *lease.Request) { r.Holder += "x" }},
		{"path", func(r *lease.Request) { r.Claims[0].Path += "x" }},
		{"mode", func(r *lease.Request) { r.Claims[0].Mode = lease.Shared }},
		{"scope", func(r *lease.Request) { r.Claims[0].Scope = lease.Tree }},
		{"one claim more", func(r *lease.Request) {
			r.Claims = append(r.Claims, lease.Claim{Path: r.Claims[0].Path, Scope: lease.Tree})
		}},
	}
	replace := append([]part{
		{"replaced ID", func(r *lease.Request) { r.Replace = other.Ref() }},
		{"replaced token", func(r *lease.Request) { r.Replace.Token++ }},
		{"replaced holder", func(r *lease.Request) { r.Replace.Holder += "x" }},
		{"no Replace", func(r *lease.Request) { r.Replace = lease.Ref{} }},
	}, common...)
	under := append([]part{
		{"parent's ID", func(r *lease.Request) { r.Parent = twin.Ref() }},
		{"parent's token", func(r *lease.Request) { r.Parent.Token++ }},
		{"parent's holder", func(r *lease.Request) { r.Parent.Holder += "x" }},
		{"no Parent", func(r *lease.Request) { r.Parent = lease.Ref{} }},
	}, common...)

	tried := func(ask func() lease.Request, parts []part) {
		h.Helper()
		for _, p := range parts {
			r := ask()
			r.QueueTTL = 0 // a transfer has none
			p.change(&r)
			_, err := h.M.TryAcquire(h.Context(), r)
			require.ErrorIs(h, err, lease.ErrInvalid, "%s of %s", p.name, r.ID)
			h.invalid(err, "id")
		}
	}
	successor := func() lease.Request {
		r := h.request("a", lease.Paths("f"))
		r.ID, r.Replace, r.QueueTTL = "successor", old.Ref(), h.units(600)
		return r
	}
	sub := func() lease.Request {
		r := h.under(parent, "writer", lease.Paths("d/f"))
		r.ID, r.QueueTTL = "sub", h.units(600)
		return r
	}
	require.Equal(h, 1, h.refused(h.M, successor()).Position)
	require.Equal(h, 1, h.refused(h.M, sub()).Position)
	tried(successor, replace)
	tried(sub, under)
	for _, l := range []lease.Lease{reader, other, child} {
		h.release(l)
	}
	first, second := h.acquire(h.M, successor()), h.acquire(h.M, sub())
	tried(successor, replace)
	tried(sub, under)
	require.Equal(h, first.Token, h.acquire(h.M, successor()).Token)
	require.Equal(h, second.Token, h.acquire(h.M, sub()).Token)
}

func masksOfQueries(h *harness) {
	h.release(h.hold("a", lease.Paths("d/f")))
	began := h.stats().Head
	l := h.hold("a", append(lease.Paths("d/f"), lease.Trees("g")...))
	for _, q := range []lease.Query{
		{}, {Path: "d/f"}, {Path: "g/x"}, {Under: "d"}, {Under: "/"}, {Path: "g", Under: "d"}, {Kinds: []lease.Kind{lease.KindGranted}}, {Limit: 1},
		{Under: "d", Kinds: []lease.Kind{lease.KindGranted}, Limit: 1},
	} {
		q.After = began
		require.Zero(h, h.only(q).Lease.Token, "%+v", q)
		w := h.watch(h.M, q)
		w.sees(1)
		require.Zero(h, w.seen()[0].Lease.Token, "a watch by %+v", q)
		for _, name := range []func(*lease.Query){
			func(q *lease.Query) { q.ID = l.ID },
			func(q *lease.Query) { q.Holder = "a" },
			func(q *lease.Query) { q.All = true },
		} {
			named := q
			name(&named)
			require.Equal(h, l.Token, h.only(named).Lease.Token, "%+v", named)
		}
	}
}

func durationsAreWhole(h *harness) {
	c, err := h.M.Config(h.Context())
	require.NoError(h, err)
	c.MaxTTL = 2 * c.DefaultTTL // 0 would be no maximum
	whole, fields := c, reflect.ValueOf(&c).Elem()
	n := 0
	for i := range fields.NumField() {
		if d, ok := fields.Field(i).Addr().Interface().(*time.Duration); ok {
			n++
			*d += time.Duration(n) // nanoseconds, of each another number
			rounded := reflect.ValueOf(&whole).Elem().Field(i).Addr().Interface().(*time.Duration)
			*rounded += time.Millisecond
		}
	}
	require.Greater(h, n, 5)
	set, err := h.M.SetConfig(h.Context(), c)
	require.NoError(h, err)
	whole.Version++
	require.Equal(h, whole, set)
	read, err := h.open().Config(h.Context())
	require.NoError(h, err)
	require.Equal(h, whole, read)
}

func limitsOfClaims(h *harness) {
	const deep = lease.MaxPathParts / lease.MaxClaims // parts of each of the most claims
	parts := make([]string, lease.MaxClaims)
	for i := range parts {
		parts[i] = fmt.Sprintf("%03d", i) + strings.Repeat("/p", deep-1)
	}
	long := make([]string, lease.MaxPathsBytes/lease.MaxPathBytes)
	for i := range long {
		long[i] = fmt.Sprintf("%04d/", i) + strings.Repeat("p", lease.MaxPathBytes-5)
	}
	few := make([]string, lease.MaxPathParts/lease.MaxPathDepth) // as many parts, of as few claims as can be
	for i := range few {
		few[i] = fmt.Sprintf("%02d", i) + strings.Repeat("/p", lease.MaxPathDepth-1)
	}
	for _, most := range [][]string{parts, long, few} {
		l := h.hold("a", lease.Paths(most...))
		require.Len(h, l.Claims, len(most))
		h.denied("b", lease.SharedPaths(most[len(most)-1]))
		h.release(l)
		more := slices.Concat(most, []string{"q"})
		if len(most) == lease.MaxClaims {
			more = slices.Concat(most[1:], []string{most[0] + "/q"})
		}
		_, err := h.M.TryAcquire(h.Context(), h.request("a", lease.Paths(more...)))
		h.invalid(err, "claims")
	}
	// The root has no part, and what is asked for twice counts twice.
	_, err := h.M.TryAcquire(h.Context(), h.request("a", lease.Paths(slices.Concat(few, []string{"/"})...)))
	require.NoError(h, err)
	_, err = h.M.TryAcquire(h.Context(), h.request("a", lease.Paths(slices.Concat(few, few[:1])...)))
	h.invalid(err, "claims")
}

func namesInATree(h *harness) {
	names := []string{
		"a", "Z", "0", "\x01", "\x1f", " ", "!", "-", ".a", "...", "0/0", "~", "~~", "\x7f", "\u0080", "\u00e9", "\u07ff", "\u0800", "\u4e2d", "\uffff",
		"\U00010000", "\U0001F600", "\U0010FFFF", "a/\U0010FFFF", "\U0010FFFF/\U0010FFFF", "%", "_", "\\", "'", `"`, "*", "?", "[a]",
	}
	for i, dir := range []string{"d", "d/e", "d/\U0010FFFF"} {
		holder := fmt.Sprint("a", i)
		for _, name := range names {
			below := dir + "/" + name
			l := h.hold("b", lease.Paths(below))
			for _, claims := range [][]lease.Claim{
				lease.Trees(dir), lease.SharedTrees(dir), append(lease.Paths("q1", "q2", "q3", "q4"), lease.Trees(dir)...),
			} {
				_, err := h.M.TryAcquire(h.Context(), h.request(holder, claims))
				require.ErrorIs(h, err, lease.ErrConflict, "%q lies in the tree %q", below, dir)
			}
			require.Equal(h, []lease.ID{l.ID}, h.listed(lease.Query{Under: dir}), "%q lies under %q", below, dir)
			h.release(l)
		}
		tree := h.hold(holder, lease.Trees(dir))
		for _, name := range names {
			_, err := h.M.TryAcquire(h.Context(), h.request("b", lease.Paths(dir+"/"+name)))
			require.ErrorIs(h, err, lease.ErrConflict, "%q lies in the tree %q", dir+"/"+name, dir)
			require.Equal(h, []lease.ID{tree.ID}, h.listed(lease.Query{Path: dir + "/" + name}))
			if !strings.HasPrefix(name, "/") {
				h.release(h.hold("b", lease.Trees(dir+name)))
			}
		}
		w := h.queue("b", lease.Paths(dir+"/\U0010FFFF/x"))
		h.release(tree)
		h.release(w.soon())
	}
}

// listed returns the IDs of what a query selects.
func (h *harness) listed(q lease.Query) []lease.ID {
	h.Helper()
	var ids []lease.ID
	for l, err := range h.M.List(h.Context(), q) {
		require.NoError(h, err)
		ids = append(ids, l.ID)
	}
	return ids
}

func pairsBehindATree(h *harness) {
	all := [][]lease.Claim{
		lease.Paths("%"), lease.SharedPaths("%"), lease.SharedTrees("%"), lease.Paths("%/x"), lease.Trees("%/x"), lease.Paths("%/x/y"), lease.Paths("%/y"),
		lease.SharedPaths("%/x"), append(lease.Paths("%/z"), lease.SharedPaths("%/x")...),
	}
	conflict := func(a, b []lease.Claim) bool {
		for _, x := range a {
			for _, y := range b {
				if lease.Conflict(x, y) {
					return true
				}
			}
		}
		return false
	}
	for i, first := range all {
		for j, second := range all {
			if conflict(first, second) {
				continue
			}
			dir := fmt.Sprintf("d%d-%d", i, j)
			in := func(claims []lease.Claim) []lease.Claim {
				moved := append([]lease.Claim(nil), claims...)
				for n := range moved {
					moved[n].Path = strings.Replace(moved[n].Path, "%", dir, 1)
				}
				return moved
			}
			held := h.hold("a", lease.Trees(dir))
			one, other := h.queue("b", in(first)), h.queue("c", in(second))
			h.release(held)
			h.release(one.soon())
			h.release(other.soon())
		}
	}
}

func prioritiesOfContention(h *harness) {
	for i, priorities := range [][]int{{-7, -3, -5}, {-lease.MaxPriority}, {0, -1}, {-1, 0}, {-2, lease.MaxPriority, 3}, {5, 4}} {
		path := fmt.Sprint("f", i)
		l := h.hold("a", lease.Paths(path))
		most := priorities[0]
		var first lease.ID
		for n, p := range priorities {
			r := h.request(fmt.Sprint("w", n), lease.Paths(path))
			r.Priority = p
			w := h.wait(h.M, r)
			if n == 0 {
				first = w.ID
			}
			most = max(most, p)
			h.sleep(1)
		}
		want := lease.Contention{Waiters: len(priorities), Since: h.get(first).CreatedAt, Priority: most}
		require.Equal(h, want, h.get(l.ID).Contention, "priorities %v", priorities)
		renewed, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, want, renewed.Contention, "priorities %v", priorities)
	}
}
