// Package boltstore keeps leases in a bbolt file. It is an example of a store
// that somebody else writes: all that it decides is how to find a record again,
// and the rest is package backend/rules. docs/stores.md tells how it was made.
//
// One process opens the file at a time (bbolt locks it). Its goroutines share it,
// through as many handles as they like. Every step is a commit of its own.
package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// File is an open file. It is safe for concurrent use.
type File struct {
	db      *bolt.DB
	turn    chan struct{} // full while somebody writes: a mutex that a context can leave
	opened  time.Time     // when, with the process's monotonic clock
	ahead   time.Duration // of that clock: the store's
	clients sync.Map      // the handles that are open
	hints   backend.Hints
}

// The buckets, and their keys.
var (
	bucketState      = []byte("state")      // its own name
	bucketRecords    = []byte("records")    // by ID
	bucketIndex      = []byte("index")      // see keys
	bucketHistory    = []byte("history")    // by Seq; the time of recording first
	bucketTombstones = []byte("tombstones") // by name: until when
)

// state is what there is one of.
type state struct {
	Counters rules.Counters
	Config   lease.Config
	Ended    int // records that have ended
}

// Open opens the file at path and makes it if it does not exist. With nil
// options it waits until no other process has the file open.
func Open(path string, o *bolt.Options) (*File, error) {
	db, err := bolt.Open(path, 0o600, o)
	if err != nil {
		return nil, fmt.Errorf("boltstore: open %s: %w", path, err)
	}
	f := &File{db: db, turn: make(chan struct{}, 1), opened: time.Now()}
	if err := db.Update(f.prepare); err != nil {
		return nil, errors.Join(fmt.Errorf("boltstore: open %s: %w", path, err), db.Close())
	}
	return f, nil
}

// prepare makes what a new file lacks, and sets the clock: never before where it
// was, even if the machine's was set back meanwhile.
func (f *File) prepare(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketState, bucketRecords, bucketIndex, bucketHistory, bucketTombstones} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	saved := tx.Bucket(bucketState).Get(bucketState)
	if saved == nil {
		first := state{Config: lease.DefaultConfig()}
		first.Config.Version = 1
		return put(tx.Bucket(bucketState), bucketState, first)
	}
	var last state
	err := json.Unmarshal(saved, &last)
	f.ahead = max(time.UnixMilli(last.Counters.Now).Sub(f.opened), 0)
	return err
}

// Close closes the file. Its handles are to be closed first.
func (f *File) Close() error { return f.db.Close() }

// Store is a handle: it implements [backend.Store].
type Store struct {
	rules.Operations
	*File
	client string
}

// Store returns another handle.
func (f *File) Store() *Store {
	s := &Store{File: f, client: string(lease.NewID())} // never used again
	s.Operations = rules.NewOperations(s.change, s.read)
	f.clients.Store(s.client, true)
	return s
}

// Close implements [backend.Store]. The places of its waiters are passed at once.
func (s *Store) Close() error {
	s.clients.Delete(s.client)
	return nil
}

// Subscribe implements [backend.Store].
func (s *Store) Subscribe(id lease.ID) (<-chan struct{}, func()) { return s.hints.Subscribe(id) }

// change runs f as one step in a transaction of its own.
func (s *Store) change(ctx context.Context, f func(rules.Tx) error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var t *transaction
	err := s.db.Update(func(tx *bolt.Tx) error {
		t = &transaction{Tx: tx, store: s, now: s.now()}
		if err := f(t); err != nil {
			return err
		}
		return put(t.Bucket(bucketState), bucketState, t.state)
	})
	if err == nil {
		s.hints.Notify(t.woken...) // after the commit: whoever is woken sees it
	}
	return err
}

// read runs f on a snapshot, beside who writes. The clock is read before it.
func (s *Store) read(_ context.Context, f func(rules.View) error) error {
	now := s.now()
	return s.db.View(func(tx *bolt.Tx) error { return f(&transaction{Tx: tx, store: s, now: now}) })
}

// now reads the clock, which no step of the machine's clock moves.
func (f *File) now() time.Time { return f.opened.Round(0).Add(time.Since(f.opened) + f.ahead) }

// transaction implements [rules.Tx] and [rules.View] on a bbolt transaction.
type transaction struct {
	*bolt.Tx
	store *Store
	now   time.Time
	state state
	woken []lease.ID
}

func (t *transaction) Load() (rules.State, error) {
	err := json.Unmarshal(t.Bucket(bucketState).Get(bucketState), &t.state)
	return rules.State{Counters: &t.state.Counters, Config: t.state.Config, Client: t.store.client, Clock: t.now}, err
}

// The kinds of keys in the index: see keys, and for events Append.
const byArrival, byEnd, byDeadline, byHolder, byClaim, byChain, byOther, byEvent = 'a', 'e', 'd', 'h', 'c', 'x', 'o', 'i'

// key makes a key: the kind, the status where it matters, the text and its end,
// the numbers. No text has a NUL byte.
func key(kind byte, status lease.Status, text string, numbers ...int64) []byte {
	k := append(append([]byte{kind, byte(status)}, text...), 0)
	for _, n := range numbers {
		k = append(k, number(n)...)
	}
	return k
}

// number makes numbers sort as bytes.
func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)^1<<63) }

func read64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

// keys are the keys of a record in the index. The value is its ID.
func keys(r *rules.Record) [][]byte {
	all := [][]byte{key(byArrival, 0, "", r.Arrival)}
	if r.Status.Ended() {
		return append(all, key(byEnd, 0, "", r.Ended, r.Arrival))
	}
	place := rules.Place{Arrival: r.Arrival} // the order of leases
	if r.Status == lease.Pending {
		place = r.Place()
		for _, other := range []lease.ID{r.Replace.ID, r.Parent.ID} {
			all = append(all, key(byOther, 0, string(other), place.Key, place.Arrival))
		}
	}
	all = append(all, key(byDeadline, 0, "", r.Deadline, r.Arrival), key(byHolder, r.Status, r.Holder, place.Key, place.Arrival))
	for _, c := range r.Claims {
		all = append(all, key(byClaim, r.Status, c.Path, place.Key, place.Arrival))
	}
	for _, id := range r.Chain {
		all = append(all, key(byChain, r.Status, string(id), r.Arrival))
	}
	return all
}

// scan calls visit with the keys that begin with prefix, from one on, until it is false.
func scan(b *bolt.Bucket, prefix, from []byte, visit func(k, v []byte) bool) {
	c := b.Cursor()
	k, v := c.Seek(from)
	for bytes.HasPrefix(k, prefix) && k != nil && visit(k, v) {
		k, v = c.Next()
	}
}

func put(b *bolt.Bucket, key []byte, value any) error {
	text, err := json.Marshal(value)
	return errors.Join(err, b.Put(key, text))
}

func (t *transaction) Find(id lease.ID) (*rules.Record, error) {
	text := t.Bucket(bucketRecords).Get([]byte(id))
	if text == nil {
		return nil, nil
	}
	r := new(rules.Record)
	return r, json.Unmarshal(text, r)
}

func (t *transaction) Put(r *rules.Record) error {
	err := t.remove(r.ID)
	if r.Status.Ended() {
		t.state.Ended++
	}
	for _, k := range keys(r) {
		err = errors.Join(err, t.Bucket(bucketIndex).Put(k, []byte(r.ID)))
	}
	return errors.Join(err, put(t.Bucket(bucketRecords), []byte(r.ID), r))
}

func (t *transaction) Update(r *rules.Record, _ lease.Status) error { return t.Put(r) }

func (t *transaction) Relabel(r *rules.Record) error { return t.Put(r) }

func (t *transaction) remove(id lease.ID) error {
	old, err := t.Find(id)
	if err != nil || old == nil {
		return err
	}
	if old.Status.Ended() {
		t.state.Ended--
	}
	for _, k := range keys(old) {
		err = errors.Join(err, t.Bucket(bucketIndex).Delete(k))
	}
	return errors.Join(err, t.Bucket(bucketRecords).Delete([]byte(id)))
}

// pick returns the records that the index names under this prefix, from one of
// its keys on, and that match, if need be; the first so many if limit is not 0.
func (t *transaction) pick(prefix, from []byte, limit int, match func(*rules.Record) bool) (found []*rules.Record, err error) {
	scan(t.Bucket(bucketIndex), prefix, from, func(_, id []byte) bool {
		var r *rules.Record
		if r, err = t.Find(lease.ID(id)); err == nil && (match == nil || match(r)) {
			found = append(found, r)
		}
		return err == nil && (limit == 0 || len(found) < limit)
	})
	return found, err
}

// first returns the first so many of all records under this prefix.
func (t *transaction) first(prefix []byte, limit int) ([]*rules.Record, error) {
	return t.pick(prefix, prefix, limit, nil)
}

func (t *transaction) Leases(o rules.Overlap) ([]*rules.Record, error) {
	return t.overlapping(lease.Active, o)
}

func (t *transaction) Waiters(o rules.Overlap) ([]*rules.Record, error) {
	return t.overlapping(lease.Pending, o)
}

// overlapping finds the claims at the paths in question, and reads records as needed.
func (t *transaction) overlapping(status lease.Status, o rules.Overlap) (found []*rules.Record, err error) {
	var places []string // and IDs
	look := func(prefix []byte) {
		scan(t.Bucket(bucketIndex), prefix, prefix, func(k, id []byte) bool {
			places = append(places, string(k[len(k)-16:])+string(id))
			return true
		})
	}
	for _, c := range o.Claims {
		for path, more := c.Path, true; more; path, more = lease.Parent(path) {
			look(key(byClaim, status, path))
		}
		if c.Scope == lease.Tree { // the root is above all, and no path begins with it
			look(append([]byte{byClaim, byte(status)}, strings.TrimPrefix(c.Path+"/", "//")...))
		}
	}
	slices.Sort(places)
	for _, place := range slices.Compact(places) {
		r, err := t.Find(lease.ID(place[16:]))
		if err != nil || len(found) == o.Limit {
			return found, err
		}
		if o.Selects(r) {
			found = append(found, r)
		}
	}
	return found, nil
}

func (t *transaction) Count(holder string, now int64) (int, error) {
	leases, err := t.LeasesOf(holder, 0)
	waiters, failed := t.WaitersOf(holder, 0)
	all := slices.DeleteFunc(append(leases, waiters...), func(r *rules.Record) bool { return r.Over(now) })
	return len(all), errors.Join(err, failed)
}

func (t *transaction) LeasesOf(holder string, limit int) ([]*rules.Record, error) {
	return t.first(key(byHolder, lease.Active, holder), limit)
}

func (t *transaction) WaitersOf(holder string, limit int) ([]*rules.Record, error) {
	return t.first(key(byHolder, lease.Pending, holder), limit)
}

func (t *transaction) Dependents(id lease.ID, limit int) ([]*rules.Record, error) {
	return t.first(key(byOther, 0, string(id)), limit)
}

func (t *transaction) Chained(id lease.ID, status lease.Status, limit int) ([]*rules.Record, error) {
	return t.first(key(byChain, status, string(id)), limit)
}

// Gone knows for certain: no other process has the file open.
func (t *transaction) Gone(client string) bool {
	_, open := t.store.clients.Load(client)
	return !open
}

func (t *transaction) Due(now int64, limit int) ([]*rules.Record, error) {
	all, err := t.first(key(byDeadline, 0, ""), limit)
	return slices.DeleteFunc(all, func(r *rules.Record) bool { return !r.Over(now) }), err
}

func (t *transaction) EndedAt(moment int64) ([]*rules.Record, error) {
	return t.first(key(byEnd, 0, "", moment), 0)
}

func (t *transaction) Append(e lease.Event) error {
	text, err := json.Marshal(e)
	return errors.Join(err, t.Bucket(bucketHistory).Put(number(int64(e.Seq)), append(number(t.state.Counters.Now), text...)),
		t.Bucket(bucketIndex).Put(key(byEvent, 0, string(e.Lease.ID), int64(e.Seq)), nil))
}

func (t *transaction) AddTombstone(name string, until int64) error {
	return t.Bucket(bucketTombstones).Put([]byte(name), number(until))
}

func (t *transaction) Tombstone(name string) (int64, error) {
	if until := t.Bucket(bucketTombstones).Get([]byte(name)); until != nil {
		return read64(until), nil
	}
	return 0, nil
}

func (t *transaction) Forget(f rules.Forget) (n int, err error) {
	c := t.Bucket(bucketTombstones).Cursor() // those of the last minutes: few
	for name, until := c.First(); name != nil; name, until = c.Next() {
		if read64(until) <= f.Now {
			err = errors.Join(err, c.Delete())
		}
	}
	ended, failed := t.first(key(byEnd, 0, ""), f.Limit)
	for err = errors.Join(err, failed); err == nil && n < len(ended); n++ {
		if r := ended[n]; r.Ended > f.Before && (t.state.Ended <= f.Keep || r.Ended > f.Spare) {
			break
		}
		err = t.remove(ended[n].ID)
	}
	return n, err
}

func (t *transaction) Trim(before int64, keep, limit int) (n int, err error) {
	newest := int64(t.state.Counters.Seq)
	for ; n < limit && err == nil; n++ {
		seq, text := t.Bucket(bucketHistory).Cursor().First()
		if seq == nil || read64(text) > before && (keep == 0 || newest-read64(seq) < int64(keep)) {
			break
		}
		var e lease.Event
		err = json.Unmarshal(text[8:], &e)
		err = errors.Join(err, t.Bucket(bucketIndex).Delete(key(byEvent, 0, string(e.Lease.ID), int64(e.Seq))), t.Bucket(bucketHistory).Delete(seq))
	}
	return n, err
}

func (t *transaction) SetConfig(c lease.Config) error {
	t.state.Config = c
	return nil
}

func (t *transaction) Notify(id lease.ID) { t.woken = append(t.woken, id) }

func (t *transaction) Select(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	return t.pick(key(byArrival, 0, ""), key(byArrival, 0, "", after+1), limit, func(r *rules.Record) bool {
		return !r.Status.Ended() && backend.Matches(q, r.Lease()) && backend.MatchesStatus(q, r.Status)
	})
}

func (t *transaction) Page(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	if q.ID == "" {
		match := func(r *rules.Record) bool { return backend.Matches(q, r.Lease()) }
		return t.pick(key(byArrival, 0, ""), key(byArrival, 0, "", after+1), limit, match)
	}
	r, err := t.Find(q.ID)
	if r == nil || r.Arrival <= after {
		return nil, err
	}
	return []*rules.Record{r}, err
}

func (t *transaction) Events(q lease.Query, last lease.Seq, limit int) (found []lease.Event, err error) {
	bucket, prefix := t.Bucket(bucketHistory), []byte(nil)
	if q.ID != "" {
		bucket, prefix = t.Bucket(bucketIndex), key(byEvent, 0, string(q.ID)) // it leads straight to its events
	}
	scan(bucket, prefix, append(slices.Clone(prefix), number(int64(q.After)+1)...), func(k, _ []byte) bool {
		var e lease.Event
		seq := k[len(prefix):]
		if read64(seq) > int64(last) {
			return false
		}
		if err = json.Unmarshal(t.Bucket(bucketHistory).Get(seq)[8:], &e); err == nil && backend.MatchesEvent(q, e) {
			found = append(found, e)
		}
		return err == nil && len(found) < limit
	})
	return found, err
}

func (t *transaction) Oldest() (lease.Seq, error) {
	if first, _ := t.Bucket(bucketHistory).Cursor().First(); first != nil {
		return lease.Seq(read64(first)), nil
	}
	return 0, nil
}

func (t *transaction) Totals(now int64) (rules.Totals, error) {
	all, err := t.pick(key(byDeadline, 0, ""), key(byDeadline, 0, "", now+1), 0, nil)
	return rules.TotalsOf(all), err
}
