// Package memory is the smallest store there is: plain maps behind a mutex. It
// is the fake for the tests of programs that use leases, and the oracle that
// the conformance suite compares other stores with. It keeps nothing across
// processes. Who is in the way of a request it finds by the paths; for every other
// question, and for a tree, it looks at all leases and waiters; use it for thousands
// of them, not for millions.
package memory

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// Options configures a store; nil is the defaults. There is no Namespace: every
// store is a namespace of its own, which it shares with nobody but its own
// handles ([Store.Another]).
type Options struct {
	// Engine is passed on to [backend.New] by New.
	Engine *backend.Options
}

// New returns a Manager over a new, empty store.
func New(o *Options) lease.Manager {
	if o == nil {
		o = &Options{}
	}
	return backend.New(NewStore(), o.Engine)
}

// Store is a handle on a namespace in memory. It is safe for concurrent use.
type Store struct {
	*namespace
	mu     *sync.Mutex // guards the namespace
	wake   *backend.Hints
	client string // this handle
}

// NewStore returns a handle on a new, empty namespace.
func NewStore() *Store {
	return (&Store{
		namespace: &namespace{
			config: defaultConfig(), records: map[lease.ID]*rules.Record{}, open: newIndex(), buried: map[string]int64{}, closed: map[string]bool{},
		},
		mu:   new(sync.Mutex),
		wake: new(backend.Hints),
	}).Another()
}

// Another returns another handle on the same namespace, as another process
// would have one of a store that is shared.
func (s *Store) Another() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	another := *s
	another.handles++
	another.client = strconv.Itoa(another.handles)
	return &another
}

func defaultConfig() lease.Config {
	c := lease.DefaultConfig()
	c.Version = 1
	return c
}

// do runs f as one step.
func do[T any](s *Store, f func(*rules.Step) (T, error)) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := &s.tx
	*tx = transaction{namespace: s.namespace, client: s.client}
	if err := s.step.Begin(tx); err != nil {
		var zero T
		return zero, err
	}
	reply, err := f(&s.step)
	if len(tx.woken) > 0 {
		s.wake.Notify(tx.woken...)
	}
	return reply, err
}

// Acquire implements [backend.Store].
func (s *Store) Acquire(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	return do(s, func(st *rules.Step) (backend.AcquireReply, error) { return st.Acquire(a) })
}

// Renew implements [backend.Store].
func (s *Store) Renew(_ context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	return do(s, func(st *rules.Step) (backend.RenewReply, error) { return st.Renew(a) })
}

// Release implements [backend.Store].
func (s *Store) Release(_ context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return do(s, func(st *rules.Step) (backend.ReleaseReply, error) { return st.Release(a) })
}

// Withdraw implements [backend.Store].
func (s *Store) Withdraw(_ context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	return do(s, func(st *rules.Step) (backend.WithdrawReply, error) { return st.Withdraw(a) })
}

// Force implements [backend.Store].
func (s *Store) Force(_ context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return do(s, func(st *rules.Step) (backend.ForceReply, error) { return st.Force(a) })
}

// Sweep implements [backend.Store].
func (s *Store) Sweep(_ context.Context, limit int) (backend.SweepReply, error) {
	return do(s, func(st *rules.Step) (backend.SweepReply, error) { return st.Sweep(limit) })
}

// SetConfig implements [backend.Store].
func (s *Store) SetConfig(_ context.Context, c lease.Config) (lease.Config, error) {
	return do(s, func(st *rules.Step) (lease.Config, error) { return st.SetConfig(c) })
}

// read runs f on a view.
func read[T any](s *Store, f func(rules.View) (T, error)) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(view{&transaction{namespace: s.namespace}})
}

// Config implements [backend.Store].
func (s *Store) Config(context.Context) (backend.ConfigReply, error) {
	reply, err := read(s, rules.Config)
	reply.NoticesGone = true
	return reply, err
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

// Subscribe implements [backend.Store].
func (s *Store) Subscribe(id lease.ID) (<-chan struct{}, func()) { return s.wake.Subscribe(id) }

// Close implements [backend.Store]. What is stored stays, for other handles; they
// pass the waiters of this one at once.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed[s.client] = true
	var waiters []lease.ID
	for id, r := range s.open.all {
		if r.Status == lease.Pending && r.Client == s.client {
			waiters = append(waiters, id)
		}
	}
	s.mu.Unlock()
	slices.Sort(waiters)
	another := *s
	another.client = "" // for a client its own waiters are never gone
	for some := range slices.Chunk(waiters, passLimit) {
		if _, err := do(&another, func(st *rules.Step) (struct{}, error) { return struct{}{}, st.Pass(some) }); err != nil {
			return err
		}
	}
	return nil
}

// passLimit is how many waiters a step passes.
const passLimit = 50
