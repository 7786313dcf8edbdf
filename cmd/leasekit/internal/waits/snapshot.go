// Package waits says who is in whose way: from leases and waiters that were
// read once, it draws the chain that ends at those who only hold.
package waits

import (
	"cmp"
	"context"
	"iter"
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

// TakeFor reads what tells who is in the way of these claims: what they can
// meet, or everything if somebody waits there, since who may pass a waiter follows
// from whom that one waits for, however far away.
func TakeFor(ctx context.Context, m lease.Manager, claims []lease.Claim) (Snapshot, error) {
	s, err := Take(ctx, m, Around(claims)...)
	if err != nil || len(s.Waiting) == 0 {
		return s, err
	}
	return Take(ctx, m)
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
	Parent   lease.ID // the lease under whose cover it asks
	Replaced lease.ID // the lease that it is to take the place of
}

// Of returns the asker that a waiter is.
func Of(l lease.Lease) Asker {
	return Asker{ID: l.ID, Holder: l.Holder, Claims: l.Claims, Distinct: l.Distinct, Parent: l.Parent, Replaced: l.Replaced}
}

// Blocker is a lease or an earlier waiter in an asker's way.
type Blocker struct {
	Lease lease.Lease
	Asked lease.Claim // the asker's claim that clashes
	Held  lease.Claim // with this one
}

// InTheWay returns who is in the asker's way: leases first, then earlier
// waiters in the order of the queue, without those that it may pass since they
// wait for its holder.
func (s Snapshot) InTheWay(a Asker) []Blocker {
	blockers := s.clashes(a, s.Active)
	earlier := s.clashes(a, s.ahead(a))
	own := s.own(a)
	if len(earlier) == 0 || len(own) == 0 || len(s.Waiting) > maxBypass {
		return append(blockers, earlier...)
	}
	waiting := s.waitingFor(a, own)
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

// own returns the leases by which others wait for the asker's holder: those of
// the holder, those that they lie under, and those that the request names.
func (s Snapshot) own(a Asker) []lease.Lease {
	var own []lease.Lease
	add := func(l lease.Lease) {
		if !slices.ContainsFunc(own, func(o lease.Lease) bool { return o.ID == l.ID }) {
			own = append(own, l)
		}
	}
	for l := range s.chain(a.Parent) {
		add(l)
	}
	if l, ok := s.active(a.Replaced); ok {
		add(l)
	}
	for _, l := range s.Active {
		if l.Holder != a.Holder {
			continue
		}
		if _, ok := s.active(l.Parent); l.Parent != "" && !ok {
			continue // an orphan makes nobody wait for its holder
		}
		if !a.Distinct {
			add(l)
		}
		for over := range s.chain(l.Parent) {
			add(over)
		}
	}
	return own
}

// chain yields an active lease and those that it lies under.
func (s Snapshot) chain(id lease.ID) iter.Seq[lease.Lease] {
	return func(yield func(lease.Lease) bool) {
		for range lease.MaxChain {
			l, ok := s.active(id)
			if !ok || !yield(l) {
				return
			}
			id = l.Parent
		}
	}
}

func (s Snapshot) active(id lease.ID) (lease.Lease, bool) {
	i := -1
	if id != "" {
		i = slices.IndexFunc(s.Active, func(l lease.Lease) bool { return l.ID == id })
	}
	if i < 0 {
		return lease.Lease{}, false
	}
	return s.Active[i], true
}

// Place returns the asker's place in line: 1 is the next. Only waiters that it
// must let pass count.
func (s Snapshot) Place(a Asker) int { return 1 + len(s.clashes(a, s.ahead(a))) }

// For returns the waiters for what a lease holds, in the order of the queue.
func (s Snapshot) For(l lease.Lease) []lease.Lease {
	var waiting []lease.Lease
	for _, w := range s.Waiting {
		if w.ID != l.ID && len(s.clashes(Of(w), []lease.Lease{l})) > 0 {
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

// waitingFor returns the waiters that wait for the asker's holder, directly or
// through others: those that one of its own leases blocks, then those that a holder
// with such a waiter blocks, by a lease or an earlier waiter, and so on. The asker
// counts as a waiter, in line or not yet.
func (s Snapshot) waitingFor(a Asker, own []lease.Lease) map[lease.ID]bool {
	waiters := s.Waiting
	if !slices.ContainsFunc(waiters, func(w lease.Lease) bool { return w.ID == a.ID }) {
		waiters = append(slices.Clip(waiters), lease.Lease{
			ID: a.ID, Holder: a.Holder, Claims: a.Claims, Distinct: a.Distinct, Parent: a.Parent, Replaced: a.Replaced,
		})
	}
	blocked := make(map[string][]lease.Lease) // by whom
	waiting := make(map[lease.ID]bool)
	var found []string // holders that have a waiter in waiting, to be looked at
	add := func(w lease.Lease) {
		if !waiting[w.ID] {
			waiting[w.ID] = true
			found = append(found, w.Holder)
		}
	}
	for i, w := range waiters {
		if len(s.clashes(Of(w), own)) > 0 {
			add(w)
		}
		for _, b := range s.clashes(Of(w), s.Active) {
			blocked[b.Lease.Holder] = append(blocked[b.Lease.Holder], w)
		}
		for _, b := range s.clashes(Of(w), waiters[:i]) {
			if b.Lease.Holder != w.Holder {
				blocked[b.Lease.Holder] = append(blocked[b.Lease.Holder], w)
			}
		}
	}
	for i := 0; i < len(found); i++ { //nolint:intrange // add makes found longer under way
		for _, w := range blocked[found[i]] {
			add(w)
		}
	}
	return waiting
}

// clashes returns those of the leases that are in the asker's way: not its own,
// and not those that it asks under the cover of.
func (s Snapshot) clashes(a Asker, leases []lease.Lease) []Blocker {
	var found []Blocker
	for _, l := range leases {
		if l.ID == a.ID || l.Holder == a.Holder && !a.Distinct || a.Replaced != "" && l.ID == a.Replaced {
			continue
		}
		asked, held, ok := clash(a.Claims, l.Claims)
		if ok && !s.covers(l, a) {
			found = append(found, Blocker{Lease: l, Asked: asked, Held: held})
		}
	}
	return found
}

func (s Snapshot) covers(l lease.Lease, a Asker) bool {
	for over := range s.chain(a.Parent) {
		if over.ID == l.ID {
			return true
		}
	}
	return false
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
