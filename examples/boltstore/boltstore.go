// Package boltstore keeps leases in a bbolt file. It is an example of a store
// that somebody else writes: all that it decides is how to find a record again,
// and the rest is package backend/rules. docs/stores.md tells how it was made.
//
// One process opens the file at a time (bbolt locks it). Its goroutines share
// it, through as many handles as they like.
package boltstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	opening int64         // of the file, the how manyth
	opened  time.Time     // when, with the process's monotonic clock
	clock   time.Time     // the store's clock at that moment

	mu      sync.Mutex
	clients map[string]bool // the handles that are open
	handles int
	unsaved rules.Counters // Now and Refused that no transaction has written yet
	waiters map[lease.ID]map[chan struct{}]bool
}

// The buckets.
var (
	bucketState      = []byte("state")
	bucketRecords    = []byte("records")    // by ID
	bucketIndex      = []byte("index")      // see keys
	bucketHistory    = []byte("history")    // by Seq; the time of recording first
	bucketTombstones = []byte("tombstones") // by name: until when
)

var keyState = []byte("state")

// state is what there is one of.
type state struct {
	Counters rules.Counters
	Config   lease.Config
	Ended    int   // records that have ended
	Openings int64 // of the file
}

// Open opens the file at path and makes it if it does not exist. With nil
// options it waits until no other process has the file open.
func Open(path string, o *bolt.Options) (*File, error) {
	db, err := bolt.Open(path, 0o600, o)
	if err != nil {
		return nil, fmt.Errorf("boltstore: open %s: %w", path, err)
	}
	f := &File{
		db: db, turn: make(chan struct{}, 1), opened: time.Now(),
		clients: map[string]bool{}, waiters: map[lease.ID]map[chan struct{}]bool{},
	}
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
	first := state{Config: lease.DefaultConfig()}
	first.Config.Version = 1
	if saved := tx.Bucket(bucketState).Get(keyState); saved != nil {
		if err := json.Unmarshal(saved, &first); err != nil {
			return err
		}
	}
	f.clock = f.opened.Round(0)
	if reached := time.UnixMilli(first.Counters.Now); reached.After(f.clock) {
		f.clock = reached
	}
	first.Openings++
	f.opening = first.Openings
	return put(tx.Bucket(bucketState), keyState, first)
}

// Close closes the file. Its handles are to be closed first.
func (f *File) Close() error {
	err := f.db.Update(func(tx *bolt.Tx) error {
		t := (&Store{File: f}).transaction(tx)
		_, err := t.Load()
		t.dirty = true // refusals that were counted in memory only
		return errors.Join(err, t.save())
	})
	return errors.Join(err, f.db.Close())
}

// Store returns another handle.
func (f *File) Store() *Store {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handles++
	s := &Store{File: f, client: fmt.Sprintf("%d-%d", f.opening, f.handles)}
	f.clients[s.client] = true
	return s
}

// Store is a handle: it implements [backend.Store].
type Store struct {
	*File
	client string
	faults interface { // of tests: conformance.TxFaults; nil otherwise
		Tx(tx rules.Tx) rules.Tx
		Commit() error
	}
}

var _ backend.Store = (*Store)(nil)

// change runs f as one step in a transaction of its own.
func change[T any](ctx context.Context, s *Store, f func(*rules.Step) (T, error)) (reply T, err error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return reply, ctx.Err()
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return reply, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	t := s.transaction(tx)
	var through rules.Tx = t
	if s.faults != nil {
		through = s.faults.Tx(t)
	}
	step, err := rules.Begin(through)
	if err == nil {
		reply, err = f(step)
	}
	if err == nil {
		err = t.save()
	}
	if err == nil && t.dirty {
		err = s.commit(tx)
	}
	if err != nil {
		var none T
		return none, err
	}
	t.keep()
	s.notify(t.woken) // after the commit: whoever is woken sees it
	return reply, nil
}

func (s *Store) commit(tx *bolt.Tx) error {
	if s.faults != nil {
		if err := s.faults.Commit(); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// read runs f on a snapshot, beside who writes.
func read[T any](s *Store, f func(rules.View) (T, error)) (reply T, err error) {
	tx, err := s.db.Begin(false)
	if err != nil {
		return reply, err
	}
	defer func() { _ = tx.Rollback() }()
	return f(s.transaction(tx))
}

// Acquire implements [backend.Store].
func (s *Store) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	return change(ctx, s, func(st *rules.Step) (backend.AcquireReply, error) { return st.Acquire(a) })
}

// Renew implements [backend.Store].
func (s *Store) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	return change(ctx, s, func(st *rules.Step) (backend.RenewReply, error) { return st.Renew(a) })
}

// Release implements [backend.Store].
func (s *Store) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return change(ctx, s, func(st *rules.Step) (backend.ReleaseReply, error) { return st.Release(a) })
}

// Withdraw implements [backend.Store].
func (s *Store) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	return change(ctx, s, func(st *rules.Step) (backend.WithdrawReply, error) { return st.Withdraw(a) })
}

// Force implements [backend.Store].
func (s *Store) Force(ctx context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return change(ctx, s, func(st *rules.Step) (backend.ForceReply, error) { return st.Force(a) })
}

// Sweep implements [backend.Store].
func (s *Store) Sweep(ctx context.Context, limit int) (backend.SweepReply, error) {
	return change(ctx, s, func(st *rules.Step) (backend.SweepReply, error) { return st.Sweep(limit) })
}

// SetConfig implements [backend.Store].
func (s *Store) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	return change(ctx, s, func(st *rules.Step) (lease.Config, error) { return st.SetConfig(c) })
}

// List implements [backend.Store].
func (s *Store) List(_ context.Context, q lease.Query, cursor string) (backend.ListReply, error) {
	return read(s, func(v rules.View) (backend.ListReply, error) { return rules.List(v, q, cursor) })
}

// eventWait is how long a watcher that found nothing waits.
const eventWait = 25 * time.Millisecond

// Events implements [backend.Store].
func (s *Store) Events(_ context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	reply, err := read(s, func(v rules.View) (backend.EventsReply, error) { return rules.Events(v, a) })
	reply.Wait = eventWait
	return reply, err
}

// Stats implements [backend.Store].
func (s *Store) Stats(context.Context) (lease.Stats, error) { return read(s, rules.Stats) }

// Config implements [backend.Store].
func (s *Store) Config(context.Context) (backend.ConfigReply, error) { return read(s, rules.Config) }

// Subscribe implements [backend.Store].
func (s *Store) Subscribe(id lease.ID) (<-chan struct{}, func()) {
	hint := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiters[id] == nil {
		s.waiters[id] = map[chan struct{}]bool{}
	}
	s.waiters[id][hint] = true
	return hint, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.waiters[id], hint); len(s.waiters[id]) == 0 {
			delete(s.waiters, id)
		}
	}
}

func (f *File) notify(ids []lease.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		for hint := range f.waiters[id] {
			select {
			case hint <- struct{}{}:
			default: // it has one
			}
		}
	}
}

// Close implements [backend.Store]. The file stays open. The places of this
// handle's waiters are passed at once.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, s.client)
	return nil
}
