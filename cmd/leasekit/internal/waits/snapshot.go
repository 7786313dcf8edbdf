// Package waits says who is in whose way: from leases and waiters that were
// read once, it draws the chain that ends at those who only hold.
package waits

import (
	"cmp"
	"context"
	"slices"
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
// step of priority is a head start. List tells who came first in one millisecond.
func (s *Snapshot) sort(boost time.Duration) {
	key := func(l lease.Lease) int64 {
		return l.CreatedAt.UnixMilli() - int64(l.Priority)*boost.Milliseconds()
	}
	slices.SortStableFunc(s.Waiting, func(a, b lease.Lease) int {
		return cmp.Compare(key(a), key(b))
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
// waiters in the order of the queue, without those that wait for the asker's
// holder. Only the store decides that: where a holder has several leases and
// waiters of its own, a waiter too many may be named here.
func (s Snapshot) InTheWay(a Asker) []Blocker {
	blockers := clashes(a, s.Active)
	earlier := clashes(a, s.ahead(a))
	if len(earlier) == 0 || a.Distinct || len(s.Waiting) > maxBypass || !s.owns(a.Holder) {
		return append(blockers, earlier...)
	}
	waiting := s.waitingFor(a.Holder)
	for _, b := range earlier {
		if !waiting[b.Lease.ID] {
			blockers = append(blockers, b)
		}
	}
	return blockers
}

// maxBypass is the longest queue in which those that wait for the asker's own
// holder are told apart: it takes the square of its length.
const maxBypass = 1000

func (s Snapshot) owns(holder string) bool {
	return slices.ContainsFunc(s.Active, func(l lease.Lease) bool { return l.Holder == holder })
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

// waitingFor returns the waiters that wait for a holder, directly or through
// others: those that a lease of it blocks, then those that a holder with such a
// waiter blocks, by a lease or an earlier waiter, and so on.
func (s Snapshot) waitingFor(holder string) map[lease.ID]bool {
	blocked := make(map[string][]lease.Lease) // by whom
	waiting := make(map[lease.ID]bool)
	var found []string // holders that have a waiter in waiting, to be looked at
	add := func(w lease.Lease) {
		if !waiting[w.ID] {
			waiting[w.ID] = true
			found = append(found, w.Holder)
		}
	}
	for _, w := range s.Waiting {
		a := Of(w)
		for _, b := range clashes(a, s.Active) {
			if b.Lease.Holder == holder {
				add(w)
			}
			blocked[b.Lease.Holder] = append(blocked[b.Lease.Holder], w)
		}
		for _, b := range clashes(a, s.ahead(a)) {
			blocked[b.Lease.Holder] = append(blocked[b.Lease.Holder], w)
		}
	}
	for i := 0; i < len(found); i++ { //nolint:intrange // add makes found longer under way
		for _, w := range blocked[found[i]] {
			add(w)
		}
	}
	return waiting
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
