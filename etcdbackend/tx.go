package etcdbackend

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// transaction is what the steps of one batch do, on top of the mirror: it
// implements [rules.Tx]. The mirror stays as it is until etcd has taken it. It is
// used while the mirror's lock is held.
type transaction struct {
	*mirror
	base   int64       // the revision of the head that it stands on
	log    int64       // the oldest segment of the log then
	seq    lease.Seq   // the newest event then
	window []events    // the newest events then
	state  rules.State // what its steps begin from, but for what changes
	read   readHistory

	head     head
	config   lease.Config
	changed  *index
	removed  map[lease.ID]bool
	buried   map[string]int64 // 0: dug up
	events   events
	expected int       // how many those will be, about
	trimTo   lease.Seq // history keys before the one of this event go; 0: none
	saved    bool      // the configuration was set
	written  bool      // something has changed
	size     int       // about how many bytes it will have
}

// begin returns a transaction on top of the mirror as it is.
func (m *mirror) begin() *transaction {
	t := &transaction{
		mirror: m, base: m.rev, log: m.head.Log, seq: m.head.Counters.Seq, window: m.recent, head: m.head, config: m.config,
		changed: newIndex(), removed: map[lease.ID]bool{}, buried: map[string]int64{},
	}
	t.head.Woken = nil
	return t
}

// Load implements [rules.Tx].
func (t *transaction) Load() (rules.State, error) {
	s := t.state
	s.Counters, s.Config = (*rules.Counters)(&t.head.Counters), t.config
	return s, nil
}

// copied keeps what is stored apart from what callers may change.
func copied(r *rules.Record) *rules.Record {
	c := *r
	c.Claims, c.Chain, c.Labels = slices.Clone(r.Claims), slices.Clone(r.Chain), maps.Clone(r.Labels)
	return &c
}

// Find implements [rules.Tx].
func (t *transaction) Find(id lease.ID) (*rules.Record, error) {
	r := t.changed.byID[id]
	if r == nil && !t.removed[id] {
		r = t.records.byID[id]
	}
	if r == nil {
		return nil, nil
	}
	return copied(r), nil
}

// Put implements [rules.Tx].
func (t *transaction) Put(r *rules.Record) error { return t.Update(r, r.Status) }

// Update implements [rules.Tx].
func (t *transaction) Update(r *rules.Record, _ lease.Status) error {
	t.changed.put(copied(r))
	t.written = true
	t.size += sizeOf(r.Claims, r.Labels)
	return nil
}

// Relabel implements [rules.Tx].
func (t *transaction) Relabel(r *rules.Record) error { return t.Update(r, r.Status) }

// sizeOf returns about how many bytes a record or an event takes.
func sizeOf(claims []lease.Claim, labels map[string]string) int {
	n := 700
	for _, c := range claims {
		n += len(c.Path) + 48
	}
	for k, v := range labels {
		n += len(k) + len(v) + 8
	}
	return n
}

// question is what pick answers.
type question struct {
	from    func(*index) iter.Seq[*rules.Record]
	match   func(*rules.Record) bool
	order   func(a, b *rules.Record) int
	ordered bool // from yields in that order
	limit   int  // 0: none
}

// pick returns copies of the records that match, in order, each once.
func (t *transaction) pick(q question) ([]*rules.Record, error) {
	var found []*rules.Record
	for r := range q.from(t.records) {
		if t.changed.byID[r.ID] == nil && !t.removed[r.ID] && q.match(r) {
			if found = append(found, r); q.ordered && len(found) == q.limit {
				break
			}
		}
	}
	for r := range q.from(t.changed) {
		if q.match(r) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, q.order)
	found = slices.Compact(found) // arrivals differ: what is equal is the same
	if q.limit > 0 && len(found) > q.limit {
		found = found[:q.limit]
	}
	for i, r := range found {
		found[i] = copied(r)
	}
	return found, nil
}

func byArrival(a, b *rules.Record) int { return cmp.Compare(a.Arrival, b.Arrival) }

func byPlace(a, b *rules.Record) int { return a.Place().Compare(b.Place()) }

func byDeadline(a, b *rules.Record) int {
	return cmp.Or(cmp.Compare(a.Deadline, b.Deadline), byArrival(a, b))
}

func byEnd(a, b *rules.Record) int {
	return cmp.Or(cmp.Compare(a.Ended, b.Ended), byArrival(a, b))
}

func overlaps(r *rules.Record, o rules.Overlap) bool {
	return (o.Skip == "" || r.Holder != o.Skip) && (o.Only == "" || r.Holder == o.Only) &&
		slices.ContainsFunc(r.Claims, func(c lease.Claim) bool {
			return (!o.Shared || c.Mode == lease.Shared) &&
				slices.ContainsFunc(o.Claims, func(d lease.Claim) bool { return lease.Conflict(c, d) })
		})
}

// Leases implements [rules.Tx].
func (t *transaction) Leases(o rules.Overlap) ([]*rules.Record, error) {
	return t.pick(question{
		from:  func(x *index) iter.Seq[*rules.Record] { return x.overlapping(o.Claims, lease.Active) },
		match: func(r *rules.Record) bool { return overlaps(r, o) },
		order: byArrival, limit: o.Limit,
	})
}

// Waiters implements [rules.Tx].
func (t *transaction) Waiters(o rules.Overlap) ([]*rules.Record, error) {
	return t.pick(question{
		from: func(x *index) iter.Seq[*rules.Record] { return x.overlapping(o.Claims, lease.Pending) },
		match: func(r *rules.Record) bool {
			return (o.Before == nil || r.Place().Before(*o.Before)) &&
				(o.After == nil || o.After.Before(r.Place())) && overlaps(r, o)
		},
		order: byPlace, limit: o.Limit,
	})
}

func ofHolder(holder string) func(*index) iter.Seq[*rules.Record] {
	return func(x *index) iter.Seq[*rules.Record] { return maps.Values(x.holders[holder]) }
}

func live(x *index) iter.Seq[*rules.Record] { return maps.Values(x.live) }

func all(x *index) iter.Seq[*rules.Record] { return x.all(0) }

func withStatus(s lease.Status) func(*rules.Record) bool {
	return func(r *rules.Record) bool { return r.Status == s }
}

// LeasesOf implements [rules.Tx].
func (t *transaction) LeasesOf(holder string, limit int) ([]*rules.Record, error) {
	return t.pick(question{from: ofHolder(holder), match: withStatus(lease.Active), order: byArrival, limit: limit})
}

// WaitersOf implements [rules.Tx].
func (t *transaction) WaitersOf(holder string, limit int) ([]*rules.Record, error) {
	return t.pick(question{from: ofHolder(holder), match: withStatus(lease.Pending), order: byPlace, limit: limit})
}

// Count implements [rules.Tx].
func (t *transaction) Count(holder string, now int64) (int, error) {
	rs, err := t.pick(question{
		from: ofHolder(holder), match: func(r *rules.Record) bool { return r.Deadline > now }, order: byArrival,
	})
	return len(rs), err
}

// Dependents implements [rules.Tx].
func (t *transaction) Dependents(id lease.ID, limit int) ([]*rules.Record, error) {
	return t.pick(question{
		from:  func(x *index) iter.Seq[*rules.Record] { return maps.Values(x.depends[id]) },
		match: withStatus(lease.Pending), order: byPlace, limit: limit,
	})
}

// Chained implements [rules.Tx].
func (t *transaction) Chained(id lease.ID, status lease.Status, limit int) ([]*rules.Record, error) {
	return t.pick(question{
		from:  func(x *index) iter.Seq[*rules.Record] { return maps.Values(x.chained[id]) },
		match: withStatus(status), order: byArrival, limit: limit,
	})
}

// Gone implements [rules.Tx]: the etcd lease of the client has ended.
func (t *transaction) Gone(client string) bool { return !t.clients[client] }

// Select implements [rules.Tx].
func (t *transaction) Select(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	return t.pick(question{
		from: from(q, after),
		match: func(r *rules.Record) bool {
			return !r.Status.Ended() && r.Arrival > after && backend.MatchesStatus(q, r.Status) && backend.Matches(q, r.Lease())
		},
		order: byArrival, ordered: q.ID == "" && q.Holder == "", limit: limit,
	})
}

// from narrows down what a query can select of what is Active or Pending.
func from(q lease.Query, after int64) func(*index) iter.Seq[*rules.Record] {
	switch {
	case q.ID != "":
		return func(x *index) iter.Seq[*rules.Record] { return one(x.byID[q.ID]) }
	case q.Holder != "":
		return ofHolder(q.Holder)
	}
	return func(x *index) iter.Seq[*rules.Record] { return x.all(after) }
}

func one(r *rules.Record) iter.Seq[*rules.Record] {
	return func(yield func(*rules.Record) bool) {
		if r != nil {
			yield(r)
		}
	}
}

// Due implements [rules.Tx].
func (t *transaction) Due(now int64, limit int) ([]*rules.Record, error) {
	return t.pick(question{from: live, match: func(r *rules.Record) bool { return r.Over(now) }, order: byDeadline, limit: limit})
}

// EndedAt implements [rules.Tx].
func (t *transaction) EndedAt(moment int64) ([]*rules.Record, error) {
	return t.pick(question{
		from: all, match: func(r *rules.Record) bool { return r.Status.Ended() && r.Ended == moment }, order: byArrival,
	})
}

// AddTombstone implements [rules.Tx].
func (t *transaction) AddTombstone(name string, until int64) error {
	t.buried[name] = until
	t.written = true
	t.size += len(name) + 100
	return nil
}

// Tombstone implements [rules.Tx].
func (t *transaction) Tombstone(name string) (int64, error) {
	if until, changed := t.buried[name]; changed {
		return until, nil
	}
	return t.tombstones[name], nil
}

// Forget implements [rules.Tx].
func (t *transaction) Forget(f rules.Forget) (int, error) {
	t.digUp(f.Now)
	ended := 0
	for r := range t.records.all(0) {
		if r.Status.Ended() && t.changed.byID[r.ID] == nil && !t.removed[r.ID] {
			ended++
		}
	}
	for r := range t.changed.all(0) {
		if r.Status.Ended() {
			ended++
		}
	}
	// Of those within Spare, the oldest that are not among the newest Keep.
	old, err := t.pick(question{
		from: all, match: func(r *rules.Record) bool { return r.Status.Ended() && r.Ended <= f.Spare }, order: byEnd, limit: f.Limit,
	})
	n := 0
	for i, r := range old {
		if r.Ended > f.Before && ended-i <= f.Keep {
			break
		}
		t.forget(r.ID)
		n++
	}
	return n, err
}

func (t *transaction) forget(id lease.ID) {
	t.changed.remove(id)
	t.removed[id] = true
	t.written = true
	t.size += len(id) + 50
}

// maxDug is how many tombstones one sweep removes; others wait.
const maxDug = 100

// digUp removes tombstones whose time is over.
func (t *transaction) digUp(now int64) {
	n := 0
	for name, until := range t.tombstones {
		if n == maxDug {
			return
		}
		if _, changed := t.buried[name]; !changed && until <= now {
			t.buried[name] = 0
			t.written = true
			t.size += len(name) + 50
			n++
		}
	}
}

// SetConfig implements [rules.Tx].
func (t *transaction) SetConfig(c lease.Config) error {
	t.config, t.saved, t.written = c, true, true
	t.size += 1000
	return nil
}

// Notify implements [rules.Tx]: the hint goes to all processes, with the head.
func (t *transaction) Notify(id lease.ID) {
	t.head.Woken = append(t.head.Woken, id)
	t.written = true
	t.size += len(id) + 3
}

var _ rules.Tx = (*transaction)(nil)
