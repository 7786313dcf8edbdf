package view

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// counted is how many blockers or waiters are looked at for each request.
const counted = lease.MaxContention

// comparisons of claims are what a graph may cost: a good part of a second.
const comparisons = 10_000_000

// graph is who waits for whom: an edge leads from the holder of a waiting
// request to each holder whose lease is in its way or, if no lease is, to the
// next one before it in line.
type graph struct {
	edges    []edge
	position []int            // of each waiter: 1 + the earlier ones that clash with it, capped
	waiters  map[lease.ID]int // of each lease: the requests that it blocks, capped
	groups   []group

	budget int  // comparisons of claims that are left
	whole  bool // it was enough
}

// edge is one request that waits for one lease or one earlier request.
type edge struct {
	From     string      `json:"from"` // who waits
	To       string      `json:"to"`   // for whom
	Waiter   lease.ID    `json:"waiter"`
	Blocker  lease.ID    `json:"blocker"`
	Asked    lease.Claim `json:"asked"`
	Held     lease.Claim `json:"held"`
	Queue    bool        `json:"queue"`    // Blocker is an earlier waiter, not a lease
	Position int         `json:"position"` // in line
	Since    time.Time   `json:"since"`
	More     int         `json:"more,omitzero"` // further leases of the same holder in the way
	Cycle    bool        `json:"cycle,omitzero"`
}

// node is a holder in a group.
type node struct {
	Holder  string    `json:"holder"`
	Depth   int       `json:"depth"` // how many others its wait goes through; 0: it does not wait
	Held    int       `json:"held"`
	Waiting int       `json:"waiting"`
	Since   time.Time `json:"since,omitzero"` // of its longest wait
	Cycle   bool      `json:"cycle,omitzero"`
}

// group is holders that wait for each other, directly or through others.
type group struct {
	Depth   int       `json:"depth"` // of the longest chain
	Cycle   bool      `json:"cycle"` // a deadlock
	Waiting int       `json:"waiting"`
	Since   time.Time `json:"since"` // of the longest wait
	Nodes   []node    `json:"nodes"`
	Edges   []edge    `json:"edges"`
}

func newGraph(s *snapshot) *graph {
	g := &graph{position: make([]int, len(s.pending)), waiters: map[lease.ID]int{}, budget: comparisons, whole: true}
	x := s.index()
	for i := range s.pending {
		g.addWaiter(s, x, i)
	}
	g.bypass(s, x)
	g.group(s)
	return g
}

// addWaiter finds what is in a waiter's way.
func (g *graph) addWaiter(s *snapshot, x *index, i int) {
	w := s.pending[i]
	edges := map[string]int{} // by holder: into g.edges
	seen := map[int]bool{}
	for _, c := range w.Claims {
		g.whole = x.held.clashes(c, len(s.active), &g.budget, func(o owned) bool {
			l := s.active[o.owner]
			if seen[o.owner] || l.ID == w.Replaced || s.free(w, l) {
				return true
			}
			seen[o.owner] = true
			if g.waiters[l.ID] < counted {
				g.waiters[l.ID]++
			}
			if at, ok := edges[l.Holder]; ok {
				g.edges[at].More++
			} else {
				edges[l.Holder] = len(g.edges)
				g.edges = append(g.edges, edge{
					From: w.Holder, To: l.Holder, Waiter: w.ID, Blocker: l.ID, Asked: c, Held: o.claim, Since: w.CreatedAt,
				})
			}
			return len(seen) < counted
		}) && g.whole
	}
	position, next, queued := g.earlier(s, x, i, func(*lease.Lease) bool { return false })
	g.position[i] = position
	if len(edges) == 0 && queued {
		edges[next.To] = len(g.edges)
		g.edges = append(g.edges, next)
	}
	for _, at := range edges {
		g.edges[at].Position = position
	}
}

// free reports whether a lease or an earlier waiter is never in a waiter's way.
func (s *snapshot) free(w, other *lease.Lease) bool {
	return other.Holder == w.Holder && !w.Distinct || s.covers(other, w)
}

// earlier looks at the waiters before one that clash with it. It returns the
// place in line, and the edge to the nearest that it may not pass, if there is one.
func (g *graph) earlier(s *snapshot, x *index, i int, passes func(u *lease.Lease) bool) (position int, next edge, found bool) {
	w := s.pending[i]
	ahead, nearest := map[int]bool{}, -1
	for _, c := range w.Claims {
		g.whole = x.waiting.clashes(c, i, &g.budget, func(o owned) bool {
			other := s.pending[o.owner]
			if s.free(w, other) {
				return true
			}
			ahead[o.owner] = true
			if o.owner > nearest && !passes(other) {
				nearest = o.owner
				next = edge{
					From: w.Holder, To: other.Holder, Waiter: w.ID, Blocker: other.ID, Asked: c, Held: o.claim, Queue: true, Since: w.CreatedAt,
				}
			}
			return len(ahead) < counted
		}) && g.whole
	}
	return min(1+len(ahead), counted), next, nearest >= 0
}

// group makes the groups: the connected parts of the graph, longest chain first.
func (g *graph) group(s *snapshot) {
	walk := newWalk(g.edges)
	nodes := make([]node, len(walk.names))
	number := walk.number
	for i, name := range walk.names {
		nodes[i] = node{Holder: name, Depth: walk.depth[i], Cycle: walk.cyclic[i]}
	}
	for _, l := range s.active {
		if n, ok := number[l.Holder]; ok {
			nodes[n].Held++
		}
	}
	for _, l := range s.pending {
		if n, ok := number[l.Holder]; ok {
			nodes[n].Waiting++
			if nodes[n].Since.IsZero() || l.CreatedAt.Before(nodes[n].Since) {
				nodes[n].Since = l.CreatedAt
			}
		}
	}
	byPart := map[int]*group{}
	part := func(n int) *group {
		root := walk.root(n)
		if byPart[root] == nil {
			byPart[root] = &group{}
		}
		return byPart[root]
	}
	for i, n := range nodes {
		p := part(i)
		p.Nodes = append(p.Nodes, n)
		p.Depth = max(p.Depth, n.Depth)
		p.Cycle = p.Cycle || n.Cycle
		p.Waiting += n.Waiting
		if !n.Since.IsZero() && (p.Since.IsZero() || n.Since.Before(p.Since)) {
			p.Since = n.Since
		}
	}
	for i := range g.edges {
		e := &g.edges[i]
		from, to := number[e.From], number[e.To]
		e.Cycle = walk.component[from] == walk.component[to] && walk.cyclic[from] && from != to
		p := part(from)
		p.Edges = append(p.Edges, *e)
	}
	for _, p := range byPart {
		slices.SortStableFunc(p.Nodes, func(a, b node) int {
			return cmp.Or(cmp.Compare(a.Depth, b.Depth), a.Since.Compare(b.Since), strings.Compare(a.Holder, b.Holder))
		})
		g.groups = append(g.groups, *p)
	}
	slices.SortFunc(g.groups, func(a, b group) int {
		return cmp.Or(compareBool(b.Cycle, a.Cycle), cmp.Compare(b.Depth, a.Depth), a.Since.Compare(b.Since),
			strings.Compare(a.Nodes[0].Holder, b.Nodes[0].Holder))
	})
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// covers reports whether a request was made under the cover of a lease: then
// that is not in its way. It follows the parents that are still active.
func (s *snapshot) covers(l, w *lease.Lease) bool {
	id := w.Parent
	for range lease.MaxChain {
		if id == "" || id == l.ID {
			break
		}
		parent := s.byID[id]
		if parent == nil {
			return false
		}
		id = parent.Parent
	}
	return id != "" && id == l.ID
}
