package memory

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// namespace is what is stored.
type namespace struct {
	counters rules.Counters
	config   lease.Config
	records  map[lease.ID]*rules.Record
	open     index   // those of them that have not ended
	events   []event // the newest of all that were recorded: Seqs without a gap
	buried   map[string]int64
	handles  int             // that were opened
	closed   map[string]bool // those that were closed

	// Of the step under way.
	tx     transaction
	step   rules.Step
	copies [4]rules.Record // the first that it finds

	bounds *Bounds         // nil: none
	ended  []*rules.Record // with bounds: a ring of those that have ended and may be remembered
	oldest int             // the place of the oldest of them, once the ring is full
	free   *rules.Record   // one that was dropped, to be used again
}

type event struct {
	lease.Event
	recorded int64 // ms
}

// transaction implements [rules.Tx]. Nothing here can fail, so nothing has to be
// taken back.
type transaction struct {
	*namespace
	client string // the handle
	woken  []lease.ID
	copies int // how many of namespace.copies are in use
}

func (t *transaction) Load() (rules.State, error) {
	s := rules.State{Counters: &t.counters, Config: t.config, Clock: time.Now(), Client: t.client}
	if t.bounds != nil {
		s.Clock, s.Cover = t.bounds.Load(s.Counters)
	}
	return s, nil
}

func (t *transaction) Find(id lease.ID) (*rules.Record, error) {
	r, ok := t.records[id]
	if !ok {
		return nil, nil
	}
	if t.copies == len(t.namespace.copies) {
		return copied(r), nil
	}
	c := &t.namespace.copies[t.copies]
	t.copies++
	copyTo(c, r)
	return c, nil
}

func (t *transaction) Put(r *rules.Record) error {
	if old := t.records[r.ID]; old != nil && !old.Status.Ended() {
		t.open.remove(old)
	}
	stored := t.unused()
	copyTo(stored, r)
	t.records[r.ID] = stored
	t.open.add(stored)
	return nil
}

func (t *transaction) Update(r *rules.Record, was lease.Status) error {
	stored := t.records[r.ID]
	claims, chain, labels := stored.Claims, stored.Chain, stored.Labels // which have not changed
	*stored = *r
	stored.Claims, stored.Chain, stored.Labels = claims, chain, labels
	if r.Status.Ended() && !was.Ended() {
		t.open.remove(stored)
		t.remember(stored)
	}
	return nil
}

func (t *transaction) Relabel(r *rules.Record) error {
	stored := t.records[r.ID]
	stored.Labels = copied(r).Labels
	return t.Update(r, r.Status)
}

// copied keeps what is stored apart from what callers may change.
func copied(r *rules.Record) *rules.Record {
	c := new(rules.Record)
	copyTo(c, r)
	return c
}

func copyTo(c, r *rules.Record) {
	*c = *r
	c.Claims, c.Chain, c.Labels = slices.Clone(r.Claims), slices.Clone(r.Chain), maps.Clone(r.Labels)
}

func copiedEvent(e lease.Event) lease.Event {
	e.Lease.Claims, e.Lease.Labels = slices.Clone(e.Lease.Claims), maps.Clone(e.Lease.Labels)
	return e
}

// pick returns copies of those of some records that match, in order.
func pick(all map[lease.ID]*rules.Record, limit int, order func(a, b *rules.Record) int, match func(*rules.Record) bool) ([]*rules.Record, error) {
	var found []*rules.Record
	for _, r := range all {
		if match(r) {
			found = append(found, r)
		}
	}
	return first(found, limit, order), nil
}

// pickOver returns copies of those with this status that o selects, in order.
func (t *transaction) pickOver(o rules.Overlap, order func(a, b *rules.Record) int, status lease.Status) ([]*rules.Record, error) {
	var found []*rules.Record
	t.open.overlapping(o.Claims, func(r *rules.Record) {
		if r.Status == status && o.Selects(r) {
			found = append(found, r)
		}
	})
	return first(found, o.Limit, order), nil
}

// first returns copies of the first of what was found, 0 for all, in order and
// without duplicates.
func first(found []*rules.Record, limit int, order func(a, b *rules.Record) int) []*rules.Record {
	slices.SortFunc(found, order)
	found = slices.Compact(found)
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	for i, r := range found {
		found[i] = copied(r)
	}
	return found
}

func arrival(a, b *rules.Record) int { return cmp.Compare(a.Arrival, b.Arrival) }

func place(a, b *rules.Record) int { return a.Place().Compare(b.Place()) }

func (t *transaction) Leases(o rules.Overlap) ([]*rules.Record, error) {
	return t.pickOver(o, arrival, lease.Active)
}

func (t *transaction) Waiters(o rules.Overlap) ([]*rules.Record, error) {
	return t.pickOver(o, place, lease.Pending)
}

func (t *transaction) LeasesOf(holder string, limit int) ([]*rules.Record, error) {
	return pick(t.open.all, limit, arrival, func(r *rules.Record) bool {
		return r.Status == lease.Active && r.Holder == holder
	})
}

func (t *transaction) WaitersOf(holder string, limit int) ([]*rules.Record, error) {
	return pick(t.open.all, limit, place, func(r *rules.Record) bool {
		return r.Status == lease.Pending && r.Holder == holder
	})
}

func (t *transaction) Count(holder string, now int64) (int, error) {
	n := 0
	for _, r := range t.open.all {
		if r.Holder == holder && r.Deadline > now {
			n++
		}
	}
	return n, nil
}

func (t *transaction) Dependents(id lease.ID, limit int) ([]*rules.Record, error) {
	return pick(t.open.all, limit, place, func(r *rules.Record) bool {
		return r.Status == lease.Pending && (r.Replace.ID == id || r.Parent.ID == id)
	})
}

func (t *transaction) Chained(id lease.ID, status lease.Status, limit int) ([]*rules.Record, error) {
	return pick(t.open.all, limit, arrival, func(r *rules.Record) bool {
		return r.Status == status && slices.Contains(r.Chain, id)
	})
}

func (t *transaction) Gone(client string) bool { return t.closed[client] }

func (t *transaction) Select(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	return pick(t.open.all, limit, arrival, func(r *rules.Record) bool {
		return r.Arrival > after && backend.Matches(q, r.Lease()) && backend.MatchesStatus(q, r.Status)
	})
}

func (t *transaction) Due(now int64, limit int) ([]*rules.Record, error) {
	order := func(a, b *rules.Record) int { return cmp.Or(cmp.Compare(a.Deadline, b.Deadline), arrival(a, b)) }
	return pick(t.open.all, limit, order, func(r *rules.Record) bool { return r.Over(now) })
}

func (t *transaction) Append(e lease.Event) error {
	t.events = append(t.events, event{copiedEvent(e), t.counters.Now})
	t.dropEvents()
	return nil
}

func (t *transaction) AddTombstone(name string, until int64) error {
	t.buried[name] = until
	return nil
}

func (t *transaction) Tombstone(name string) (int64, error) { return t.buried[name], nil }

func (t *transaction) EndedAt(moment int64) ([]*rules.Record, error) {
	return pick(t.records, 0, arrival, func(r *rules.Record) bool { return r.Status.Ended() && r.Ended == moment })
}

func (t *transaction) Forget(f rules.Forget) (int, error) {
	maps.DeleteFunc(t.buried, func(_ string, until int64) bool { return until <= f.Now })
	order := func(a, b *rules.Record) int { return cmp.Or(cmp.Compare(a.Ended, b.Ended), arrival(a, b)) }
	ended, _ := pick(t.records, 0, order, func(r *rules.Record) bool { return r.Status.Ended() })
	n := 0
	for i, r := range ended {
		if n == f.Limit || r.Ended > f.Before && (len(ended)-i <= f.Keep || r.Ended > f.Spare) {
			break
		}
		delete(t.records, r.ID)
		n++
	}
	return n, nil
}

func (t *transaction) Trim(before int64, keep, limit int) (int, error) {
	n := 0
	for n < limit && n < len(t.events) && (t.events[n].recorded <= before || keep > 0 && len(t.events)-n > keep) {
		n++
	}
	t.events = slices.Delete(t.events, 0, n)
	return n, nil
}

func (t *transaction) SetConfig(c lease.Config) error {
	t.config = c
	return nil
}

func (t *transaction) Notify(id lease.ID) { t.woken = append(t.woken, id) }
