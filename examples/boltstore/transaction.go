package boltstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// transaction is a bbolt transaction as the rules see it, to change something
// ([rules.Tx]) or to read ([rules.View]).
type transaction struct {
	store                                     *Store
	meta, records, index, history, tombstones *bolt.Bucket
	state                                     state
	loaded                                    rules.Counters
	dirty                                     bool // there is something to commit
	woken                                     []lease.ID
}

var (
	_ rules.Tx   = (*transaction)(nil)
	_ rules.View = (*transaction)(nil)
)

func (s *Store) transaction(tx *bolt.Tx) *transaction {
	return &transaction{
		store: s, meta: tx.Bucket(bucketState), records: tx.Bucket(bucketRecords), index: tx.Bucket(bucketIndex),
		history: tx.Bucket(bucketHistory), tombstones: tx.Bucket(bucketTombstones),
	}
}

func (t *transaction) Load() (rules.State, error) {
	err := json.Unmarshal(t.meta.Get(keyState), &t.state)
	c := &t.state.Counters
	t.store.mu.Lock()
	c.Now, c.Refused = max(c.Now, t.store.unsaved.Now), c.Refused+t.store.unsaved.Refused
	t.store.mu.Unlock()
	t.loaded = *c
	return rules.State{
		Counters: c, Config: t.state.Config, Client: t.store.client,
		Clock: t.store.clock.Add(time.Since(t.store.opened)), // no step of the machine's clock moves it
	}, err
}

// save writes the state at the end of a step. A refusal is no reason to write:
// what it counted stays in memory until something else is.
func (t *transaction) save() error {
	changed := t.state.Counters
	changed.Now, changed.Refused = t.loaded.Now, t.loaded.Refused
	if t.dirty = t.dirty || changed != t.loaded; !t.dirty {
		return nil
	}
	return put(t.meta, keyState, t.state)
}

// keep takes in, once the step is committed, what memory has of the counters.
func (t *transaction) keep() {
	f, c := t.store.File, t.state.Counters
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unsaved.Now = c.Now
	if t.dirty {
		f.unsaved.Refused = 0
	} else {
		f.unsaved.Refused += c.Refused - t.loaded.Refused
	}
}

func put(b *bolt.Bucket, key []byte, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return b.Put(key, text)
}

func (t *transaction) Find(id lease.ID) (*rules.Record, error) {
	text := t.records.Get([]byte(id))
	if text == nil {
		return nil, nil
	}
	r := new(rules.Record)
	return r, json.Unmarshal(text, r)
}

func (t *transaction) Put(r *rules.Record) error {
	if err := t.remove(r.ID); err != nil {
		return err
	}
	if r.Status.Ended() {
		t.state.Ended++
	}
	err := put(t.records, []byte(r.ID), r)
	for _, k := range keys(r) {
		err = errors.Join(err, t.index.Put(k, []byte(r.ID)))
	}
	return err
}

func (t *transaction) Update(r *rules.Record, _ lease.Status) error { return t.Put(r) }

func (t *transaction) Relabel(r *rules.Record) error { return t.Put(r) }

func (t *transaction) remove(id lease.ID) error {
	t.dirty = true
	old, err := t.Find(id)
	if err != nil || old == nil {
		return err
	}
	if old.Status.Ended() {
		t.state.Ended--
	}
	for _, k := range keys(old) {
		err = errors.Join(err, t.index.Delete(k))
	}
	return errors.Join(err, t.records.Delete([]byte(id)))
}

// pick returns the records that the index names under this prefix, from one of
// its keys on, and that match; the first so many if limit is not 0.
func (t *transaction) pick(prefix, from []byte, limit int, match func(*rules.Record) bool) (found []*rules.Record, err error) {
	scan(t.index, prefix, from, func(_, id []byte) bool {
		var r *rules.Record
		if r, err = t.Find(lease.ID(id)); err == nil && match(r) {
			found = append(found, r)
		}
		return err == nil && (limit == 0 || len(found) < limit)
	})
	return found, err
}

// first returns the first so many of all records under this prefix.
func (t *transaction) first(prefix []byte, limit int) ([]*rules.Record, error) {
	return t.pick(prefix, prefix, limit, func(*rules.Record) bool { return true })
}

func (t *transaction) Leases(o rules.Overlap) ([]*rules.Record, error) {
	return t.overlapping(lease.Active, o)
}

func (t *transaction) Waiters(o rules.Overlap) ([]*rules.Record, error) {
	return t.overlapping(lease.Pending, o)
}

// overlapping finds the claims on the paths in question first, in their order,
// and reads only the records that are asked for.
func (t *transaction) overlapping(status lease.Status, o rules.Overlap) ([]*rules.Record, error) {
	var places []string // and IDs
	look := func(c lease.Claim, prefix []byte, treesOnly bool) {
		scan(t.index, prefix, prefix, func(k, id []byte) bool {
			at, mode, scope := k[len(k)-18:len(k)-2], lease.Mode(k[len(k)-2]), lease.Scope(k[len(k)-1])
			if (c.Mode == lease.Exclusive || mode == lease.Exclusive) && (!o.Shared || mode == lease.Shared) &&
				(!treesOnly || scope == lease.Tree) &&
				(o.Before == nil || bytes.Compare(at, order(*o.Before)) < 0) &&
				(o.After == nil || bytes.Compare(at, order(*o.After)) > 0) {
				places = append(places, string(at)+string(id))
			}
			return true
		})
	}
	for _, c := range o.Claims {
		look(c, key(byClaim, with(status, c.Path)), false)
		for dir, ok := lease.Parent(c.Path); ok; dir, ok = lease.Parent(dir) {
			look(c, key(byClaim, with(status, dir)), true)
		}
		if below := key(byClaim, with(status, c.Path)); c.Scope == lease.Tree && c.Path != lease.Root {
			below[len(below)-1] = '/'
			look(c, below, false)
		} else if c.Scope == lease.Tree {
			look(c, below[:2], false)
		}
	}
	slices.Sort(places)
	var found []*rules.Record
	for _, place := range slices.Compact(places) {
		r, err := t.Find(lease.ID(place[16:]))
		if err != nil {
			return nil, err
		}
		if (o.Skip == "" || r.Holder != o.Skip) && (o.Only == "" || r.Holder == o.Only) {
			found = append(found, r)
		}
		if o.Limit > 0 && len(found) == o.Limit {
			break
		}
	}
	return found, nil
}

func (t *transaction) Count(holder string, now int64) (int, error) {
	n := 0
	for _, status := range []lease.Status{lease.Active, lease.Pending} {
		prefix := key(byHolder, with(status, holder))
		all, err := t.pick(prefix, prefix, 0, func(r *rules.Record) bool { return r.Deadline > now })
		if err != nil {
			return 0, err
		}
		n += len(all)
	}
	return n, nil
}

func (t *transaction) LeasesOf(holder string, limit int) ([]*rules.Record, error) {
	return t.first(key(byHolder, with(lease.Active, holder)), limit)
}

func (t *transaction) WaitersOf(holder string, limit int) ([]*rules.Record, error) {
	return t.first(key(byHolder, with(lease.Pending, holder)), limit)
}

func (t *transaction) Dependents(id lease.ID, limit int) ([]*rules.Record, error) {
	return t.first(key(byOther, string(id)), limit)
}

func (t *transaction) Chained(id lease.ID, status lease.Status, limit int) ([]*rules.Record, error) {
	return t.first(key(byChain, with(status, string(id))), limit)
}

// Gone knows for certain: no other process has the file open.
func (t *transaction) Gone(client string) bool {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	return !t.store.clients[client]
}

func (t *transaction) Select(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	return t.pick(key(byLiving, ""), key(byLiving, "", after+1), limit, func(r *rules.Record) bool {
		return backend.Matches(q, r.Lease()) && backend.MatchesStatus(q, r.Status)
	})
}

func (t *transaction) Due(now int64, limit int) (due []*rules.Record, err error) {
	all, err := t.first(key(byDeadline, ""), limit)
	return slices.DeleteFunc(all, func(r *rules.Record) bool { return !r.Over(now) }), err
}

func (t *transaction) Append(e lease.Event) error {
	t.dirty = true
	text, err := json.Marshal(e)
	return errors.Join(err, t.history.Put(seqKey(e.Seq), append(number(t.state.Counters.Now), text...)),
		t.index.Put(eventKey(e), nil))
}

func seqKey(seq lease.Seq) []byte { return binary.BigEndian.AppendUint64(nil, uint64(seq)) }

func eventKey(e lease.Event) []byte {
	return append(key(byEventID, string(e.Lease.ID)), seqKey(e.Seq)...)
}

func (t *transaction) EndedAt(moment int64) ([]*rules.Record, error) {
	return t.first(key(byEnd, "", moment), 0)
}

func (t *transaction) AddTombstone(name string, until int64) error {
	t.dirty = true
	return t.tombstones.Put([]byte(name), number(until))
}

func (t *transaction) Tombstone(name string) (int64, error) {
	until := t.tombstones.Get([]byte(name))
	if until == nil {
		return 0, nil
	}
	return read64(until), nil
}

func (t *transaction) Forget(f rules.Forget) (int, error) {
	var over [][]byte
	scan(t.tombstones, nil, nil, func(name, until []byte) bool { // those of the last minutes: few
		if read64(until) <= f.Now {
			over = append(over, bytes.Clone(name))
		}
		return true
	})
	for _, name := range over {
		t.dirty = true
		if err := t.tombstones.Delete(name); err != nil {
			return 0, err
		}
	}
	ended, err := t.first(key(byEnd, ""), f.Limit)
	for n, r := range ended {
		if err != nil || r.Ended > f.Before && (t.state.Ended <= f.Keep || r.Ended > f.Spare) {
			return n, err
		}
		err = t.remove(r.ID)
	}
	return len(ended), err
}

func (t *transaction) Trim(before int64, keep, limit int) (int, error) {
	var old []lease.Event
	var err error
	newest := t.state.Counters.Seq
	scan(t.history, nil, nil, func(k, v []byte) bool {
		beyond := keep > 0 && newest-lease.Seq(binary.BigEndian.Uint64(k)) >= lease.Seq(keep)
		if len(old) == limit || read64(v) > before && !beyond {
			return false
		}
		var e lease.Event
		err = json.Unmarshal(v[8:], &e)
		old = append(old, e)
		return err == nil
	})
	for _, e := range old {
		t.dirty = true
		err = errors.Join(err, t.history.Delete(seqKey(e.Seq)), t.index.Delete(eventKey(e)))
	}
	return len(old), err
}

func (t *transaction) SetConfig(c lease.Config) error {
	t.dirty, t.state.Config = true, c
	return nil
}

func (t *transaction) Notify(id lease.ID) { t.woken = append(t.woken, id) }

func (t *transaction) Page(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	if q.ID != "" {
		r, err := t.Find(q.ID)
		if r == nil || err != nil || r.Arrival <= after {
			return nil, err
		}
		return []*rules.Record{r}, nil
	}
	return t.pick(key(byArrival, ""), key(byArrival, "", after+1), limit, func(r *rules.Record) bool { return backend.Matches(q, r.Lease()) })
}

func (t *transaction) Events(q lease.Query, last lease.Seq, limit int) (found []lease.Event, err error) {
	take := func(seq, v []byte) bool {
		var e lease.Event
		if binary.BigEndian.Uint64(seq) > uint64(last) {
			return false
		}
		if err = json.Unmarshal(v[8:], &e); err == nil && backend.MatchesEvent(q, e) {
			found = append(found, e)
		}
		return err == nil && len(found) < limit
	}
	if q.ID == "" {
		scan(t.history, nil, seqKey(q.After+1), take)
		return found, err
	}
	prefix := key(byEventID, string(q.ID))
	scan(t.index, prefix, append(slices.Clone(prefix), seqKey(q.After+1)...), func(k, _ []byte) bool {
		seq := k[len(k)-8:]
		return take(seq, t.history.Get(seq))
	})
	return found, err
}

func (t *transaction) Oldest() (lease.Seq, error) {
	first, _ := t.history.Cursor().First()
	if first == nil {
		return 0, nil
	}
	return lease.Seq(binary.BigEndian.Uint64(first)), nil
}

func (t *transaction) Totals(now int64) (rules.Totals, error) {
	var totals rules.Totals
	_, err := t.pick(key(byLiving, ""), key(byLiving, ""), 0, func(r *rules.Record) bool {
		switch {
		case r.Over(now):
		case r.Status == lease.Active:
			totals.Active++
		default:
			totals.Pending++
			if totals.OldestWaiter == 0 || r.Created < totals.OldestWaiter {
				totals.OldestWaiter = r.Created
			}
		}
		return false
	})
	return totals, err
}
