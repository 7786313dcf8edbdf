package etcdbackend

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// index finds records. A record in it is never changed, only replaced. It is
// not safe for concurrent use by one that changes it.
type index struct {
	byID    map[lease.ID]*rules.Record
	arrived []slot // by arrival
	empty   int    // of those

	// Of what is Active or Pending:
	live    set
	holders map[string]set
	paths   node
	depends map[lease.ID]set // by the leases that waiters would replace, or are under
	chained map[lease.ID]set // by the leases above
}

type set map[lease.ID]*rules.Record

// slot keeps the place of an arrival; record is nil once that is gone.
type slot struct {
	arrival int64
	record  *rules.Record
}

func newIndex() *index {
	return &index{
		byID: map[lease.ID]*rules.Record{}, live: set{}, holders: map[string]set{},
		depends: map[lease.ID]set{}, chained: map[lease.ID]set{},
	}
}

// put inserts a record, or replaces the one with its ID.
func (x *index) put(r *rules.Record) {
	x.remove(r.ID)
	x.byID[r.ID] = r
	at, found := x.slot(r.Arrival)
	if found {
		if x.arrived[at].record == nil {
			x.empty--
		}
		x.arrived[at].record = r
	} else {
		x.arrived = slices.Insert(x.arrived, at, slot{r.Arrival, r})
	}
	if !r.Status.Ended() {
		x.enter(r)
	}
}

func (x *index) slot(arrival int64) (int, bool) {
	return slices.BinarySearchFunc(x.arrived, arrival, func(s slot, a int64) int { return cmp.Compare(s.arrival, a) })
}

func (x *index) remove(id lease.ID) {
	r := x.byID[id]
	if r == nil {
		return
	}
	delete(x.byID, id)
	if at, found := x.slot(r.Arrival); found && x.arrived[at].record == r {
		x.arrived[at].record = nil
		x.empty++
	}
	if x.empty > 64 && x.empty > len(x.arrived)/2 {
		x.arrived = slices.DeleteFunc(x.arrived, func(s slot) bool { return s.record == nil })
		x.empty = 0
	}
	if !r.Status.Ended() {
		x.leave(r)
	}
}

func (x *index) enter(r *rules.Record) {
	x.live[r.ID] = r
	add(x.holders, r.Holder, r)
	for _, c := range r.Claims {
		x.paths.at(c.Path).of(r.Status)[r.ID] = r
	}
	for _, id := range waitsFor(r) {
		add(x.depends, id, r)
	}
	for _, id := range r.Chain {
		add(x.chained, id, r)
	}
}

func (x *index) leave(r *rules.Record) {
	delete(x.live, r.ID)
	drop(x.holders, r.Holder, r)
	for _, c := range r.Claims {
		x.paths.drop(c.Path, r)
	}
	for _, id := range waitsFor(r) {
		drop(x.depends, id, r)
	}
	for _, id := range r.Chain {
		drop(x.chained, id, r)
	}
}

// waitsFor returns the leases on which a waiter depends.
func waitsFor(r *rules.Record) []lease.ID {
	var ids []lease.ID
	if r.Status == lease.Pending {
		for _, ref := range []lease.Ref{r.Replace, r.Parent} {
			if ref.ID != "" {
				ids = append(ids, ref.ID)
			}
		}
	}
	return ids
}

func add[K comparable](sets map[K]set, key K, r *rules.Record) {
	if sets[key] == nil {
		sets[key] = set{}
	}
	sets[key][r.ID] = r
}

func drop[K comparable](sets map[K]set, key K, r *rules.Record) {
	delete(sets[key], r.ID)
	if len(sets[key]) == 0 {
		delete(sets, key)
	}
}

// all yields every record, by arrival, from after this one on.
func (x *index) all(after int64) iter.Seq[*rules.Record] {
	return func(yield func(*rules.Record) bool) {
		at, found := x.slot(after)
		if found {
			at++
		}
		for _, s := range x.arrived[at:] {
			if s.record != nil && !yield(s.record) {
				return
			}
		}
	}
}

// overlapping yields at least the records with this status that have a claim
// that overlaps with one of these, some of them more than once.
func (x *index) overlapping(claims []lease.Claim, status lease.Status) iter.Seq[*rules.Record] {
	return func(yield func(*rules.Record) bool) {
		for _, c := range claims {
			if !x.paths.overlapping(c, status, yield) {
				return
			}
		}
	}
}

// node is a path with the records that have a claim on it, and the paths below.
type node struct {
	active, pending set
	below           map[string]*node
}

func (n *node) of(status lease.Status) set {
	of := &n.active
	if status == lease.Pending {
		of = &n.pending
	}
	if *of == nil {
		*of = set{}
	}
	return *of
}

// parts yields the parts of a path.
func parts(path string) iter.Seq[string] {
	if path == lease.Root {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(path, "/")
}

// at returns the node of a path, which is made if it is new.
func (n *node) at(path string) *node {
	for part := range parts(path) {
		if n.below == nil {
			n.below = map[string]*node{}
		}
		next := n.below[part]
		if next == nil {
			next = &node{}
			n.below[part] = next
		}
		n = next
	}
	return n
}

// drop takes a record away, and the nodes that are of no more use.
func (n *node) drop(path string, r *rules.Record) {
	way := []*node{n}
	var names []string
	for part := range parts(path) {
		if n = n.below[part]; n == nil {
			return
		}
		way, names = append(way, n), append(names, part)
	}
	delete(n.of(r.Status), r.ID)
	for i := len(names) - 1; i >= 0 && way[i+1].unused(); i-- {
		delete(way[i].below, names[i])
	}
}

func (n *node) unused() bool { return len(n.active)+len(n.pending)+len(n.below) == 0 }

// overlapping yields what is on the way to the claim's path, on it and, for a
// tree, below it.
func (n *node) overlapping(c lease.Claim, status lease.Status, yield func(*rules.Record) bool) bool {
	for part := range parts(c.Path) {
		if !n.yield(status, yield) {
			return false
		}
		if n = n.below[part]; n == nil {
			return true
		}
	}
	if c.Scope == lease.Tree {
		return n.whole(status, yield)
	}
	return n.yield(status, yield)
}

func (n *node) yield(status lease.Status, yield func(*rules.Record) bool) bool {
	of := n.active
	if status == lease.Pending {
		of = n.pending
	}
	for r := range maps.Values(of) {
		if !yield(r) {
			return false
		}
	}
	return true
}

func (n *node) whole(status lease.Status, yield func(*rules.Record) bool) bool {
	if !n.yield(status, yield) {
		return false
	}
	for _, b := range n.below {
		if !b.whole(status, yield) {
			return false
		}
	}
	return true
}
