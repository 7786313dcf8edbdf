package view

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// snapshot is the state at one moment. It never changes, and what is computed
// from it is computed once, however many look.
type snapshot struct {
	head
	until time.Time // when a lease shown as active expires
	boost time.Duration

	active  []*lease.Lease // by grant
	pending []*lease.Lease // in the order of the queue
	byID    map[lease.ID]*lease.Lease

	index  func() *index
	graph  func() *graph
	claims func() []*row // one for each claim, in the order of the tree
	lists  func() []*row // one for each lease and waiter, by age
	sorted func() []*row // the same in the order of the tree, which most look at
}

// snapshot returns the state. After a change it is made anew, but not more often
// than takes a fifth of one processor; then the answer is that much older.
func (m *mirror) snapshot() *snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock.now()
	if s := m.shown; s != nil {
		fresh := s.Version == m.version && now.Before(s.until)
		if fresh || now.Sub(s.Now) < 4*m.cost {
			return s
		}
	}
	began := time.Now()
	s := newSnapshot(m.entries, now, m.config.PriorityBoost)
	s.Version, s.Incomplete = m.version, !m.complete
	m.shown, m.cost = s, time.Since(began)
	return s
}

func newSnapshot(entries map[lease.ID]*entry, now time.Time, boost time.Duration) *snapshot {
	s := &snapshot{head: head{Now: now}, until: now.Add(time.Hour), boost: boost, byID: make(map[lease.ID]*lease.Lease, len(entries))}
	for _, e := range entries {
		l := &e.lease // an entry is replaced, never changed
		switch {
		case l.Status == lease.Pending:
			s.pending = append(s.pending, l)
		case l.ExpiresAt.After(now):
			s.active = append(s.active, l)
			if l.ExpiresAt.Before(s.until) {
				s.until = l.ExpiresAt
			}
		default:
			continue // over, recorded or not
		}
		s.byID[l.ID] = l
	}
	slices.SortFunc(s.active, func(a, b *lease.Lease) int {
		return cmp.Or(a.GrantedAt.Compare(b.GrantedAt), strings.Compare(string(a.ID), string(b.ID)))
	})
	slices.SortFunc(s.pending, func(a, b *lease.Lease) int {
		return cmp.Or(place(a, boost).Compare(place(b, boost)), a.CreatedAt.Compare(b.CreatedAt), strings.Compare(string(a.ID), string(b.ID)))
	})
	s.Active, s.Pending = len(s.active), len(s.pending)
	s.index = sync.OnceValue(func() *index { return newIndex(s) })
	s.graph = sync.OnceValue(func() *graph { return newGraph(s) })
	s.claims = sync.OnceValue(func() []*row { return claimsOf(s) })
	s.lists = sync.OnceValue(func() []*row { return listOf(s) })
	s.sorted = sync.OnceValue(func() []*row { return inOrder(s.lists(), "path", false) })
	return s
}

// place is where a waiter stands in the queue: its arrival with the head start
// of its priority. The head start is the one configured now; the store fixed it
// on arrival.
func place(l *lease.Lease, boost time.Duration) time.Time {
	return l.CreatedAt.Add(-time.Duration(l.Priority) * boost)
}

// overlap reports whether two claims reach one path.
func overlap(a, b lease.Claim) bool {
	return lease.Covers(a, b.Path) || lease.Covers(b, a.Path)
}

// clash reports whether two claims of different holders exclude each other.
func clash(a, b lease.Claim) bool {
	return (a.Mode == lease.Exclusive || b.Mode == lease.Exclusive) && overlap(a, b)
}
