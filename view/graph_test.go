package view

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

var epoch = time.UnixMilli(1_700_000_000_000)

// picture makes a snapshot of lines "holder holds|waits claim...", a claim being
// a path, with /** for a tree, and with ? if shared. Later lines are later.
func pictureOf(lines ...string) *snapshot {
	entries := map[lease.ID]*entry{}
	for i, text := range lines {
		fields := strings.Fields(text)
		l := lease.Lease{
			ID: lease.ID(fmt.Sprintf("%03d", i)), Holder: fields[0], Status: lease.Active,
			CreatedAt: epoch.Add(time.Duration(i) * time.Second), GrantedAt: epoch.Add(time.Duration(i) * time.Second), ExpiresAt: epoch.Add(time.Hour),
		}
		if fields[1] == "waits" {
			l.Status, l.GrantedAt = lease.Pending, time.Time{}
		}
		for _, f := range fields[2:] {
			c := lease.Claim{Path: f}
			if path, ok := strings.CutSuffix(c.Path, "?"); ok {
				c.Path, c.Mode = path, lease.Shared
			}
			if path, ok := strings.CutSuffix(c.Path, "/**"); ok {
				c.Path, c.Scope = path, lease.Tree
				if path == "" {
					c.Path = lease.Root
				}
			}
			l.Claims = append(l.Claims, c)
		}
		entries[l.ID] = &entry{lease: l}
	}
	return newSnapshot(entries, epoch.Add(time.Minute), 0)
}

// arrows are the edges, "from>to", with "..." for those of the queue.
func arrows(g group) string {
	var all []string
	for _, e := range g.Edges {
		mark := ">"
		if e.Queue {
			mark = "..>"
		}
		if e.Cycle {
			mark = "!" + mark
		}
		all = append(all, e.From+mark+e.To)
	}
	return strings.Join(all, " ")
}

func TestGraph(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		want  []string // arrows of each group
		depth int      // of the first
		cycle bool
	}{
		"nobody waits":     {[]string{"a holds x"}, nil, 0, false},
		"one":              {[]string{"a holds x", "b waits x"}, []string{"b>a"}, 1, false},
		"a line":           {[]string{"a holds x", "b waits x", "c waits x"}, []string{"b>a c>a"}, 1, false},
		"a chain":          {[]string{"a holds x", "b holds y", "b waits x", "c waits y"}, []string{"b>a c>b"}, 2, false},
		"by the queue":     {[]string{"a holds x?", "b waits x", "c waits x?"}, []string{"b>a c..>b"}, 2, false},
		"a circle":         {[]string{"a holds x", "b holds y", "a waits y", "b waits x"}, []string{"a!>b b!>a"}, 1, true},
		"before a circle":  {[]string{"a holds x", "b holds y", "a waits y", "b waits x", "c waits x"}, []string{"a!>b b!>a c>a"}, 2, true},
		"longest first":    {[]string{"a holds x", "b waits x", "p holds u", "q holds v", "q waits u", "r waits v"}, []string{"q>p r>q", "b>a"}, 2, false},
		"a tree above":     {[]string{"a holds x/**", "b waits x/y/z"}, []string{"b>a"}, 1, false},
		"a tree below":     {[]string{"a holds x/y/z", "b waits x/**"}, []string{"b>a"}, 1, false},
		"the root":         {[]string{"a holds x/y", "b waits /**", "c waits q"}, []string{"b>a c..>b"}, 2, false},
		"a neighbour":      {[]string{"a holds xy", "b holds x", "b waits x/**", "c waits x"}, []string{"c>b"}, 1, false},
		"its own":          {[]string{"a holds x", "a waits x"}, nil, 0, false},
		"shared is free":   {[]string{"a holds x?", "b waits x?"}, nil, 0, false},
		"several of one":   {[]string{"a holds x", "a holds y", "b waits x y"}, []string{"b>a"}, 1, false},
		"a circle of many": {[]string{"a holds 1", "b holds 2", "c holds 3", "a waits 2", "b waits 3", "c waits 1"}, []string{"a!>b b!>c c!>a"}, 2, true},
		"past a waiter":    {[]string{"a holds x", "z holds q?", "d waits q", "b waits x q", "a waits q?"}, []string{"d>z b>a b>z a..>d"}, 3, false},
		"past all waiters": {[]string{"a holds x", "z holds q?", "b waits x q", "a waits q?"}, []string{"b>a b>z"}, 1, false},
		"past a chain":     {[]string{"a holds x", "z holds q?", "c holds y", "b waits y q", "c waits x", "a waits q?"}, []string{"b>c b>z c>a"}, 2, false},
		"not past a group": {[]string{"a holds x", "z holds q?", "b waits q", "b waits x", "a waits q?"}, []string{"b>z b!>a a!..>b"}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := pictureOf(c.lines...).graph()
			var got []string
			for _, group := range g.groups {
				got = append(got, arrows(group))
			}
			require.Equal(t, c.want, got)
			require.True(t, g.whole)
			if len(g.groups) > 0 {
				require.Equal(t, c.depth, g.groups[0].Depth)
				require.Equal(t, c.cycle, g.groups[0].Cycle)
			}
		})
	}
}

// The index finds what a comparison with every claim finds.
func TestIndexFindsAllClashes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	claim := func() lease.Claim {
		parts := []string{"a", "b", "a.c", "ab"}
		path := parts[random.IntN(4)]
		for range random.IntN(3) {
			path += "/" + parts[random.IntN(4)]
		}
		if random.IntN(20) == 0 {
			path = lease.Root
		}
		return lease.Claim{Path: path, Mode: lease.Mode(random.IntN(2)), Scope: lease.Scope(random.IntN(2))}
	}
	for range 300 {
		var leases []*lease.Lease
		for range random.IntN(12) {
			leases = append(leases, &lease.Lease{Claims: []lease.Claim{claim()}})
		}
		l, asked, before := newLookup(leases), claim(), random.IntN(len(leases)+1)
		want := map[int]bool{}
		for i, other := range leases[:before] {
			if clash(asked, other.Claims[0]) {
				want[i] = true
			}
		}
		got := map[int]bool{}
		budget := 1000
		require.True(t, l.clashes(asked, before, &budget, func(o owned) bool {
			require.False(t, got[o.owner], "twice")
			got[o.owner] = true
			return true
		}))
		require.Equal(t, want, got, "%v among %v", asked, leases[:before])
	}
}

func TestGraphIsBounded(t *testing.T) {
	lines := []string{}
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("h%d holds d/%d", i, i))
	}
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("w%d waits d/**", i))
	}
	s := pictureOf(lines...)
	g := s.graph()
	require.LessOrEqual(t, len(g.edges), 300*counted)
	require.Equal(t, counted, g.position[299])

	g = &graph{position: make([]int, len(s.pending)), waiters: map[lease.ID]int{}, budget: 1000, whole: true}
	for i := range s.pending {
		g.addWaiter(s, s.index(), i)
	}
	require.False(t, g.whole)
}

// A chain as long as the queue needs no deep stack.
func TestLongChain(t *testing.T) {
	var edges []edge
	for i := range 50_000 {
		edges = append(edges, edge{From: fmt.Sprint(i + 1), To: fmt.Sprint(i)})
	}
	w := newWalk(edges)
	require.Equal(t, 50_000, w.depth[w.number["50000"]])
	w = newWalk(append(edges, edge{From: "0", To: "50000"}))
	require.True(t, w.cyclic[0])
}

func TestPathOrder(t *testing.T) {
	paths := []string{"/", "a", "a/b", "a/b/c", "a.b", "a b", "ab", "b"}
	for i, p := range paths {
		require.Zero(t, comparePaths(p, p))
		for _, q := range paths[:i] {
			if below(p, q) {
				require.Positive(t, comparePaths(p, q), "%q %q", p, q)
			}
			require.Equal(t, -comparePaths(q, p) > 0, comparePaths(p, q) > 0)
		}
	}
	require.Negative(t, comparePaths("a/b", "a.b"), "what is below comes before what only looks alike")
}

// Whatever is open, the tree has each claim once, in windows as in one piece.
func TestTreeWindows(t *testing.T) {
	var lines []string
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 800 {
		path := fmt.Sprintf("d%d/e%d/f%d", random.IntN(4), random.IntN(5), random.IntN(9))
		if random.IntN(10) == 0 {
			path = path[:2]
		}
		lines = append(lines, fmt.Sprintf("h%d %s %s", i, []string{"holds", "waits"}[random.IntN(2)], path))
	}
	lines = append(lines, "root holds /**")
	s := pictureOf(lines...)
	walk := func(from, to int, opened, shut map[string]bool, all bool) *tree {
		tr := &tree{rows: s.claims(), opened: opened, shut: shut, all: all, from: from, to: to}
		tr.walk()
		return tr
	}
	whole := walk(0, 10_000, nil, nil, true)
	claims, dirs := 0, map[string]row{}
	for _, r := range whole.window {
		if r.Kind == "dir" {
			dirs[r.Path] = r
		} else {
			claims++
		}
	}
	require.Equal(t, 801, claims)
	require.Equal(t, whole.count, len(whole.window))
	for path, d := range dirs {
		held, waiting := 0, 0
		for _, r := range s.claims() {
			if r.Path == path || below(r.Path, path) {
				if r.Kind == "lease" {
					held++
				} else {
					waiting++
				}
			}
		}
		require.Equal(t, [2]int{held, waiting}, [2]int{d.Held, d.Waiting}, path)
	}
	var pieces []row
	for from := 0; from < whole.count; from += 7 {
		pieces = append(pieces, walk(from, from+7, nil, nil, true).window...)
	}
	require.Equal(t, whole.window, pieces)

	first := walk(0, 1000, nil, nil, false)
	require.Equal(t, 1+4, first.count, "directories of more than a hundred claims are shut at first")
	require.Greater(t, walk(0, 1000, map[string]bool{"d1": true}, nil, false).count, first.count)
	require.Equal(t, 1+4, walk(0, 1000, nil, map[string]bool{"d0": true, "d1": true, "d2": true, "d3": true}, true).count)
}

func TestShorten(t *testing.T) {
	require.Equal(t, "abc", shorten("abc"))
	long := shorten(strings.Repeat("ü", 4000))
	require.LessOrEqual(t, len(long), 520)
	require.True(t, strings.HasPrefix(long, "üü"))
	require.NotContains(t, long, "\uFFFD")
	require.Equal(t, strings.ToValidUTF8(long, "?"), long)
}

func BenchmarkNow(b *testing.B) {
	entries := map[lease.ID]*entry{}
	for i := range 25_000 {
		l := lease.Lease{
			ID: lease.ID(fmt.Sprint(i)), Holder: fmt.Sprintf("agent-%d", i%500), Status: lease.Active, TTL: time.Hour,
			Claims:    lease.Paths(fmt.Sprintf("src/p%d/d%d/file-%d.go", i%20, i%400, i%20_000)),
			CreatedAt: epoch.Add(time.Duration(i) * time.Millisecond), GrantedAt: epoch, ExpiresAt: epoch.Add(time.Hour),
		}
		if i >= 20_000 {
			l.Status, l.GrantedAt = lease.Pending, time.Time{}
		}
		entries[l.ID] = &entry{lease: l}
	}
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			newSnapshot(entries, epoch, 0)
		}
	})
	b.Run("graph", func(b *testing.B) {
		for b.Loop() {
			newSnapshot(entries, epoch, 0).graph()
		}
	})
	b.Run("tree", func(b *testing.B) {
		for b.Loop() {
			t := &tree{rows: newSnapshot(entries, epoch, 0).claims(), to: 100}
			t.walk()
		}
	})
}
