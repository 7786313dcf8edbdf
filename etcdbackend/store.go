package etcdbackend

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/internal/hints"
	"github.com/leasekit/leasekit/lease"
)

// Store keeps one namespace of an etcd cluster. It is safe for concurrent use.
type Store struct {
	kv      clientv3.KV
	watcher clientv3.Watcher
	leases  clientv3.Lease
	shut    func() error // closes the client, if it is ours

	keys    keyspace
	options Options
	clock   *clock
	mirror  mirror
	session session
	queue   *groupcommit.Queue[*transaction]
	waiters hints.Hub     // of this process
	refused atomic.Uint64 // refusals that no transaction has written yet

	// Of who has the queue's turn:
	gathered int        // operations of the batch before
	hinted   []lease.ID // waiters of this process that the batch has woken before it is committed
	maxEnds  int        // how many leases a step may end, as transactions were too large; 0: as many as it does
	inLine   int64      // since which revision of etcd this process is in line; 0: it is not
	woke     int64      // the revision of the head with which it woke a waiter of another; 0: none since
	passed   int64      // since when one was in line that was waited for in vain

	closing    context.Context // ends when Close begins
	stop       context.CancelFunc
	background sync.WaitGroup
}

// do runs the operation in a transaction that it may share with others. A caller
// whose context ends leaves, whatever becomes of it.
func (s *Store) do(ctx context.Context, op groupcommit.Operation[*transaction]) error {
	done := make(chan error, 1)
	go func() { done <- s.queue.Do(ctx, groupcommit.Options{}, op) }()
	select {
	case err := <-done:
		var f *final
		if errors.As(err, &f) {
			err = f.error
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run runs f as one step.
func run[T any](ctx context.Context, s *Store, f func(*rules.Step) (T, error)) (T, error) {
	return runIn(ctx, s, func(_ *transaction, step *rules.Step) (T, error) { return f(step) })
}

func runIn[T any](ctx context.Context, s *Store, f func(*transaction, *rules.Step) (T, error)) (T, error) {
	var reply, none T
	err := s.do(ctx, func(t *transaction) error {
		step, err := rules.Begin(t)
		if err == nil {
			reply, err = f(t, step)
		}
		return err
	})
	if err != nil {
		return none, err
	}
	return reply, nil
}

// Acquire implements [backend.Store].
func (s *Store) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	if err := s.checkTTL(a.Request.TTL); err != nil {
		return backend.AcquireReply{}, err
	}
	reply, err := run(ctx, s, func(st *rules.Step) (backend.AcquireReply, error) { return st.Acquire(a) })
	reply.Remaining = s.told(reply.Remaining)
	return reply, err
}

// checkTTL refuses a TTL that would be over before its holder is told.
func (s *Store) checkTTL(ttl time.Duration) error {
	if ttl <= s.options.skew() {
		return lease.Invalid("ttl", "%v, want more than the %v by which clocks may differ (Options.MaxSkew)", ttl, s.options.skew())
	}
	return nil
}

// told is how long a holder is told that its lease lasts: by any machine's clock.
func (s *Store) told(remaining time.Duration) time.Duration {
	return max(remaining-s.options.skew(), 0)
}

// Renew implements [backend.Store].
func (s *Store) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	if a.TTL > 0 {
		if err := s.checkTTL(a.TTL); err != nil {
			return backend.RenewReply{}, err
		}
	}
	reply, err := run(ctx, s, func(st *rules.Step) (backend.RenewReply, error) { return st.Renew(a) })
	reply.Remaining = s.told(reply.Remaining)
	return reply, err
}

// Release implements [backend.Store].
func (s *Store) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return run(ctx, s, func(st *rules.Step) (backend.ReleaseReply, error) { return st.Release(a) })
}

// Withdraw implements [backend.Store].
func (s *Store) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	reply, err := run(ctx, s, func(st *rules.Step) (backend.WithdrawReply, error) { return st.Withdraw(a) })
	reply.Remaining = s.told(reply.Remaining)
	return reply, err
}

// Force implements [backend.Store].
func (s *Store) Force(ctx context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return run(ctx, s, func(st *rules.Step) (backend.ForceReply, error) { return st.Force(a) })
}

// Sweep implements [backend.Store].
func (s *Store) Sweep(ctx context.Context, limit int) (backend.SweepReply, error) {
	return runIn(ctx, s, func(t *transaction, st *rules.Step) (backend.SweepReply, error) {
		if most := t.state.MaxEnds; most > 0 {
			return st.Sweep(min(limit, most))
		}
		return st.Sweep(limit)
	})
}

// SetConfig implements [backend.Store].
func (s *Store) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	return run(ctx, s, func(st *rules.Step) (lease.Config, error) { return st.SetConfig(c) })
}

// look returns a view of the namespace that is no older than the call. The
// mirror is locked while use runs.
func look[T any](ctx context.Context, s *Store, use func(view) (T, error)) (T, error) {
	var none T
	v, err := s.view(ctx)
	if err != nil {
		return none, err
	}
	defer s.mirror.mutex.RUnlock()
	return use(v)
}

// view locks the mirror for reading, unless it returns an error. Its clock is read
// first: nothing that is renewed until then looks expired.
func (s *Store) view(ctx context.Context) (view, error) {
	if s.closing.Err() != nil {
		return view{}, lease.ErrClosed
	}
	now := s.clock.now()
	rev, err := s.headNow(ctx)
	if err == nil {
		err = s.catchUp(ctx, rev)
	}
	if err != nil {
		return view{}, unavailable("read", err)
	}
	s.mirror.mutex.RLock()
	if err = s.mirror.err; err == nil {
		err = s.checkClock(s.clock.now(), s.mirror.head.Counters.Now)
	}
	if err != nil {
		s.mirror.mutex.RUnlock()
		return view{}, unavailable("read", err)
	}
	t := s.mirror.begin()
	t.state = rules.State{Clock: now}
	t.head.Counters.Refused += s.refused.Load()
	t.read = s.readHistory(ctx)
	return view{t}, nil
}

// Config implements [backend.Store].
func (s *Store) Config(ctx context.Context) (backend.ConfigReply, error) {
	reply, err := look(ctx, s, func(v view) (backend.ConfigReply, error) { return rules.Config(v) })
	reply.NoticesGone = true
	return reply, err
}

// List implements [backend.Store].
func (s *Store) List(ctx context.Context, q lease.Query, cursor string) (backend.ListReply, error) {
	reply, err := look(ctx, s, func(v view) (backend.ListReply, error) { return rules.List(v, q, cursor) })
	if err == nil {
		reply.Now = reply.Now.Add(s.options.skew()) // what remains is counted from it
	}
	return reply, err
}

// eventBlock is how long Events waits for an event.
const eventBlock = time.Second

// Events implements [backend.Store].
func (s *Store) Events(ctx context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	v, err := s.view(ctx)
	if err != nil {
		return backend.EventsReply{}, err
	}
	moved := s.mirror.moved
	s.mirror.mutex.RUnlock() // what was written does not change, and may be read from etcd
	reply, err := rules.Events(v, a)
	if err != nil || len(reply.Events) > 0 || a.Query.After < reply.Next {
		return reply, unavailableRead(ctx, err)
	}
	timer := time.NewTimer(eventBlock)
	defer timer.Stop()
	select {
	case <-moved:
	case <-timer.C:
	case <-s.closing.Done():
	case <-ctx.Done():
		return backend.EventsReply{}, ctx.Err()
	}
	return reply, nil
}

func unavailableRead(ctx context.Context, err error) error {
	var trimmed *lease.TrimmedError
	switch {
	case err == nil, errors.As(err, &trimmed):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return unavailable("read", err)
}

// Stats implements [backend.Store].
func (s *Store) Stats(ctx context.Context) (lease.Stats, error) {
	return look(ctx, s, func(v view) (lease.Stats, error) { return rules.Stats(v) })
}

// Subscribe implements [backend.Store].
func (s *Store) Subscribe(id lease.ID) (<-chan struct{}, func()) { return s.waiters.Subscribe(id) }

// closePatience is how long Close tries to tell others that this process ends.
const closePatience = 500 * time.Millisecond

// Close implements [backend.Store].
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	if s.refused.Load() > 0 {
		_ = s.do(ctx, func(t *transaction) error {
			t.written = true
			return nil
		})
	}
	_ = s.leave(ctx) // else the etcd lease ends by its TTL
	s.stop()
	err := s.queue.Close(func() error { return nil })
	s.background.Wait()
	return errors.Join(err, s.shut())
}

var _ backend.Store = (*Store)(nil)
