package postgresbackend

import (
	"cmp"
	"slices"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/claimkeys"
	"github.com/leasekit/leasekit/lease"
)

// known is what a transaction knows of the namespace: records as they now are,
// with the changes that are not written yet, and of which claims it knows every
// lease and waiter that conflicts with them. So the steps of a batch ask the
// server little: most of what they need was read ahead in one query.
type known struct {
	entries map[lease.ID]*entry // nil for what does not exist
	byPath  map[string][]*entry // by the paths of their claims
	covered map[area]bool       // true: all is known that conflicts; false: there is too much
	holders map[string]bool     // the same for the leases and waiters of a holder
	named   map[lease.ID]bool   // the same for the waiters that name this lease
}

// entry is a record that is known.
type entry struct {
	r      *rules.Record
	stored lease.Status // as the tables have it
	exists bool         // in the tables
	dirty  bool
	labels bool // they have changed, too
	gone   bool // another record has taken its ID, or it was removed
}

// area is a path, or all that is at and below it.
type area struct {
	path  string
	scope lease.Scope
}

func newKnown() known {
	return known{entries: map[lease.ID]*entry{}, byPath: map[string][]*entry{}, covered: map[area]bool{}, holders: map[string]bool{}, named: map[lease.ID]bool{}}
}

// add takes in a record that was read. What is known already is newer.
func (k *known) add(r *rules.Record) *entry {
	if e := k.entries[r.ID]; e != nil {
		return e
	}
	e := &entry{r: r, stored: r.Status, exists: true}
	k.put(e)
	return e
}

func (k *known) put(e *entry) {
	if old := k.entries[e.r.ID]; old != nil {
		old.gone = true
	}
	k.entries[e.r.ID] = e
	for _, c := range e.r.Claims {
		k.byPath[c.Path] = append(k.byPath[c.Path], e)
	}
}

// covers reports whether all is known that conflicts with one of the claims.
func (k *known) covers(claims []lease.Claim) bool {
	for _, c := range claims {
		if !k.covered[area{c.Path, c.Scope}] {
			return false
		}
	}
	return true
}

// asked reports whether it was tried to cover all of the claims.
func (k *known) asked(claims []lease.Claim) bool {
	for _, c := range claims {
		if _, asked := k.covered[area{c.Path, c.Scope}]; !asked {
			return false
		}
	}
	return true
}

// overlapping returns copies of the records in this status that o selects.
func (k *known) overlapping(status lease.Status, o rules.Overlap) []*rules.Record {
	var found []*rules.Record
	add := func(e *entry) {
		if !e.gone && e.r.Status == status && selects(o, e.r) {
			found = append(found, e.r)
		}
	}
	for _, c := range o.Claims {
		if c.Scope == lease.Tree {
			for _, e := range k.entries {
				if e != nil {
					add(e)
				}
			}
			break
		}
		for _, e := range k.byPath[c.Path] {
			add(e)
		}
		for _, up := range claimkeys.Above(c.Path) {
			for _, e := range k.byPath[up] {
				add(e)
			}
		}
	}
	return first(found, status, o.Limit)
}

// picked returns copies of the records in this status that match.
func (k *known) picked(status lease.Status, limit int, match func(*rules.Record) bool) []*rules.Record {
	var found []*rules.Record
	for _, e := range k.entries {
		if e != nil && e.r.Status == status && match(e.r) {
			found = append(found, e.r)
		}
	}
	return first(found, status, limit)
}

// first returns copies of the first of the records, each once.
func first(rs []*rules.Record, status lease.Status, limit int) []*rules.Record {
	rs = slices.Compact(sorted(rs, status, len(rs)))
	rs = rs[:min(len(rs), limit)]
	for i, r := range rs {
		rs[i] = copied(r)
	}
	return rs
}

// sorted returns the first of the records, in the order of leases or of waiters.
func sorted(rs []*rules.Record, status lease.Status, limit int) []*rules.Record {
	if status == lease.Pending {
		slices.SortFunc(rs, func(a, b *rules.Record) int { return a.Place().Compare(b.Place()) })
	} else {
		slices.SortFunc(rs, func(a, b *rules.Record) int { return cmp.Compare(a.Arrival, b.Arrival) })
	}
	return rs[:min(len(rs), limit)]
}

// selects reports whether o selects r, whatever its status.
func selects(o rules.Overlap, r *rules.Record) bool {
	if o.Skip != "" && r.Holder == o.Skip || o.Only != "" && r.Holder != o.Only {
		return false
	}
	if o.Before != nil && !r.Place().Before(*o.Before) || o.After != nil && !o.After.Before(r.Place()) {
		return false
	}
	return slices.ContainsFunc(r.Claims, func(c lease.Claim) bool {
		return (!o.Shared || c.Mode == lease.Shared) &&
			slices.ContainsFunc(o.Claims, func(d lease.Claim) bool { return lease.Conflict(c, d) })
	})
}

// copied keeps what is known apart from what callers change.
func copied(r *rules.Record) *rules.Record {
	c := *r
	return &c
}

// carried is what a handle still knows from one transaction to the next. It is
// true as long as nobody else has committed, since whoever does so writes the
// counters: they are as they were, and written by the same transaction.
type carried struct {
	known    known
	counters rules.Counters
	ended    int
	xid      string
}

// mostCarried bounds how many records, paths, areas and so on are carried.
const mostCarried = 1024

func (k *known) carried(counters rules.Counters, ended int, xid string) *carried {
	if max(len(k.entries), len(k.byPath), len(k.covered), len(k.holders), len(k.named)) > mostCarried {
		*k = newKnown()
	}
	return &carried{known: *k, counters: counters, ended: ended, xid: xid}
}

// carry takes what the batch before has left: a batch that fails leaves nothing.
func (s *Store) carry() *carried {
	c := s.carried
	s.carried = nil
	return c
}
