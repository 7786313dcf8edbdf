// Package waits says who is in whose way: from leases and waiters that were
// read once, it draws the chain that ends at those who only hold.
package waits

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// Snapshot is leases and waiters, read page by page: what changed meanwhile may
// be there or not.
type Snapshot struct {
	Now     time.Time     // by the store's clock
	Active  []lease.Lease // the oldest request first
	Waiting []lease.Lease // in the order of the queue
}

// Take reads the leases and waiters that a query selects; the zero Query is
// all.
func Take(ctx context.Context, m lease.Manager, queries ...lease.Query) (Snapshot, error) {
	stats, err := m.Stats(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{Now: stats.Now}
	if len(queries) == 0 {
		queries = []lease.Query{{}}
	}
	seen := make(map[lease.ID]bool)
	for _, q := range queries {
		for l, err := range m.List(ctx, q) {
			switch {
			case err != nil:
				return Snapshot{}, err
			case seen[l.ID]:
			case l.Status == lease.Active:
				s.Active = append(s.Active, l)
			case l.Status == lease.Pending:
				s.Waiting = append(s.Waiting, l)
			}
			seen[l.ID] = true
		}
	}
	if len(s.Waiting) > 0 {
		c, err := m.Config(ctx)
		if err != nil {
			return Snapshot{}, err
		}
		s.sort(c.PriorityBoost)
	}
	return s, nil
}

// Around returns the queries for everything that these claims can meet.
func Around(claims []lease.Claim) []lease.Query {
	var queries []lease.Query
	for _, c := range claims {
		queries = append(queries, lease.Query{Path: c.Path})
		if c.Scope == lease.Tree {
			queries = append(queries, lease.Query{Under: c.Path})
		}
	}
	return queries
}

// sort puts the waiters into the order of the queue: by arrival, of which each
// step of priority is a head start.
func (s *Snapshot) sort(boost time.Duration) {
	key := func(l lease.Lease) int64 {
		return l.CreatedAt.UnixMilli() - int64(l.Priority)*boost.Milliseconds()
	}
	slices.SortStableFunc(s.Waiting, func(a, b lease.Lease) int {
		return cmp.Or(cmp.Compare(key(a), key(b)), strings.Compare(string(a.ID), string(b.ID)))
	})
}

// Asker is a request that is judged: one that waits, or one that is not made
// yet.
type Asker struct {
	ID       lease.ID // of a waiter; empty: it is not in line, and would be the last
	Holder   string
	Claims   []lease.Claim
	Distinct bool
}

// Of returns the asker that a waiter is.
func Of(l lease.Lease) Asker {
	return Asker{ID: l.ID, Holder: l.Holder, Claims: l.Claims, Distinct: l.Distinct}
}

// Blocker is a lease or an earlier waiter in an asker's way.
type Blocker struct {
	Lease lease.Lease
	Asked lease.Claim // the asker's claim that clashes
	Held  lease.Claim // with this one
}

// InTheWay returns who is in the asker's way: leases first, then earlier
// waiters in the order of the queue.
func (s Snapshot) InTheWay(a Asker) []Blocker {
	blockers := clashes(a, s.Active)
	for _, b := range clashes(a, s.ahead(a)) {
		if !s.waitsFor(b.Lease, a.Holder, make(map[lease.ID]bool)) {
			blockers = append(blockers, b)
		}
	}
	return blockers
}

// Place returns the asker's place in line: 1 is the next. Only waiters that it
// must let pass count.
func (s Snapshot) Place(a Asker) int { return 1 + len(clashes(a, s.ahead(a))) }

// For returns the waiters for what a lease holds, in the order of the queue.
func (s Snapshot) For(l lease.Lease) []lease.Lease {
	var waiting []lease.Lease
	for _, w := range s.Waiting {
		if w.ID != l.ID && len(clashes(Of(w), []lease.Lease{l})) > 0 {
			waiting = append(waiting, w)
		}
	}
	return waiting
}

// ahead returns the waiters before the asker.
func (s Snapshot) ahead(a Asker) []lease.Lease {
	if a.ID != "" {
		for i, w := range s.Waiting {
			if w.ID == a.ID {
				return s.Waiting[:i]
			}
		}
	}
	return s.Waiting
}

// waitsFor reports whether a waiter waits for a holder, directly or through
// others: it is then not in that holder's way.
func (s Snapshot) waitsFor(w lease.Lease, holder string, seen map[lease.ID]bool) bool {
	if seen[w.ID] {
		return false
	}
	seen[w.ID] = true
	a := Of(w)
	for _, b := range append(clashes(a, s.Active), clashes(a, s.ahead(a))...) {
		if b.Lease.Holder == holder && b.Lease.Status == lease.Active {
			return true
		}
		for _, next := range s.Waiting {
			if next.Holder == b.Lease.Holder && s.waitsFor(next, holder, seen) {
				return true
			}
		}
	}
	return false
}

// clashes returns those of the leases that the asker clashes with.
func clashes(a Asker, leases []lease.Lease) []Blocker {
	var found []Blocker
	for _, l := range leases {
		if l.ID == a.ID || l.Holder == a.Holder && !a.Distinct {
			continue
		}
		if asked, held, ok := clash(a.Claims, l.Claims); ok {
			found = append(found, Blocker{Lease: l, Asked: asked, Held: held})
		}
	}
	return found
}

func clash(asked, held []lease.Claim) (lease.Claim, lease.Claim, bool) {
	for _, a := range asked {
		for _, h := range held {
			if lease.Conflict(a, h) {
				return a, h, true
			}
		}
	}
	return lease.Claim{}, lease.Claim{}, false
}
