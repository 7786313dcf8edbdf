package view

import "github.com/leasekit/leasekit/lease"

// bypass mends the edges of the queue. A request need not stand behind an earlier
// one that waits for its own holder: then its edge leads to the nearest that it
// may not pass. That has a budget of its own; edges that it does not reach stay.
func (g *graph) bypass(s *snapshot, x *index) {
	budget, whole := g.budget, g.whole
	g.budget = comparisons / 4
	holds := make(map[string]bool, len(s.active))
	for _, l := range s.active {
		holds[l.Holder] = true
	}
	b := &passing{graph: g, snapshot: s, index: x}
	kept := g.edges[:0:0]
	for _, e := range g.edges {
		w := s.byID[e.Waiter]
		if !e.Queue || w.Distinct || !holds[e.From] {
			kept = append(kept, e)
			continue
		}
		b.prepare()
		_, next, found := g.earlier(s, x, b.place[w.ID], func(u *lease.Lease) bool { return b.waitsFor(u.ID, w.Holder) })
		switch {
		case g.budget <= 0:
			kept = append(kept, e)
		case found:
			next.Position = e.Position
			kept = append(kept, next)
		}
	}
	g.edges, g.budget, g.whole = kept, budget, whole
}

// passing finds out who waits for a holder. It is prepared when it is first needed.
type passing struct {
	graph    *graph
	snapshot *snapshot
	index    *index

	blocked map[lease.ID][]string // the holders of the leases in a waiter's way
	of      map[string][]lease.ID // the waiters of a holder
	place   map[lease.ID]int      // in the queue
	ahead   map[lease.ID][]string // the holders of the earlier waiters in a waiter's way
	known   map[string]map[lease.ID]bool
}

func (b *passing) prepare() {
	if b.place != nil {
		return
	}
	b.blocked, b.of, b.place = map[lease.ID][]string{}, map[string][]lease.ID{}, map[lease.ID]int{}
	b.ahead, b.known = map[lease.ID][]string{}, map[string]map[lease.ID]bool{}
	for _, e := range b.graph.edges {
		if !e.Queue {
			b.blocked[e.Waiter] = append(b.blocked[e.Waiter], e.To)
		}
	}
	for i, w := range b.snapshot.pending {
		b.place[w.ID] = i
		b.of[w.Holder] = append(b.of[w.Holder], w.ID)
	}
}

// waitsFor reports whether a waiter waits for a lease of a holder, or for a holder
// with a waiter that does so, and so on. It gives up when the budget is spent.
func (b *passing) waitsFor(id lease.ID, holder string) bool {
	known := b.known[holder]
	if known == nil {
		known = map[lease.ID]bool{}
		b.known[holder] = known
	}
	if waits, seen := known[id]; seen {
		return waits
	}
	known[id] = b.search(id, holder)
	return known[id]
}

func (b *passing) search(id lease.ID, holder string) bool {
	seen := map[lease.ID]bool{id: true}
	for todo := []lease.ID{id}; len(todo) > 0 && b.graph.budget > 0; b.graph.budget-- {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		follow := func(holders []string) {
			for _, h := range holders {
				for _, next := range b.of[h] {
					if !seen[next] {
						seen[next] = true
						todo = append(todo, next)
					}
				}
			}
		}
		for _, h := range b.blocked[at] {
			if h == holder {
				return true
			}
		}
		follow(b.blocked[at])
		follow(b.aheadOf(at))
	}
	return false
}

// aheadOf returns the holders of the earlier waiters that clash with one.
func (b *passing) aheadOf(id lease.ID) []string {
	if holders, ok := b.ahead[id]; ok {
		return holders
	}
	i, found := b.place[id], map[string]bool{}
	w := b.snapshot.pending[i]
	holders := []string{}
	for _, c := range w.Claims {
		b.index.waiting.clashes(c, i, &b.graph.budget, func(o owned) bool {
			if h := b.snapshot.pending[o.owner].Holder; h != w.Holder && !found[h] {
				found[h] = true
				holders = append(holders, h)
			}
			return true
		})
	}
	b.ahead[id] = holders
	return holders
}
