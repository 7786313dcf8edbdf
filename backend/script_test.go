package backend_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

var errDown = errors.New("connection refused")

// script is a store whose answers a test writes. A nil function answers
// what a healthy, empty store would. What was asked is recorded.
type script struct {
	acquire  func(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error)
	renew    func(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error)
	release  func(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error)
	withdraw func(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error)
	force    func(a backend.ForceArgs) (backend.ForceReply, error)
	sweep    func(ctx context.Context) (backend.SweepReply, error)
	list     func(q lease.Query, cursor string) (backend.ListReply, error)
	events   func(ctx context.Context, a backend.EventsArgs) (backend.EventsReply, error)
	stats    func() (lease.Stats, error)
	readErr  error // of Config
	hint     chan struct{}

	mu          sync.Mutex
	config      lease.Config
	configReads int
	asks        []backend.AcquireArgs
	withdrawn   []backend.WithdrawArgs
	sweeps      []time.Time
	wakes       int // subscriptions minus stops
	closed      int
}

func newScript() *script {
	s := &script{config: lease.DefaultConfig(), hint: make(chan struct{}, 1)}
	s.config.Version = 1
	return s
}

// manage runs a test in a bubble with a Manager over the script, and requires
// that closing it leaves nothing behind: no subscription, no goroutine.
func manage(t *testing.T, o *backend.Options, f func(t *testing.T, s *script, m lease.Manager)) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		m := backend.New(s, o)
		defer func() { // also when f gives up
			require.NoError(t, m.Close())
			require.Zero(t, s.wakes)
			require.Equal(t, 1, s.closed)
		}()
		f(t, s, m)
	})
}

func (s *script) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	s.mu.Lock()
	s.asks = append(s.asks, a)
	config := s.config
	s.mu.Unlock()
	if a.ConfigVersion != config.Version {
		return backend.AcquireReply{Outcome: backend.Stale, Config: &config}, nil
	}
	if s.acquire == nil {
		return grant(a), nil
	}
	return s.acquire(ctx, a)
}

func (s *script) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	s.mu.Lock()
	config := s.config
	s.mu.Unlock()
	if a.ConfigVersion != config.Version {
		return backend.RenewReply{Outcome: backend.Stale, Config: &config}, nil
	}
	return s.renew(ctx, a)
}

func (s *script) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return s.release(ctx, a)
}

func (s *script) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	s.mu.Lock()
	s.withdrawn = append(s.withdrawn, a)
	s.mu.Unlock()
	if s.withdraw == nil {
		return backend.WithdrawReply{}, nil
	}
	return s.withdraw(ctx, a)
}

func (s *script) Force(_ context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return s.force(a)
}

func (s *script) Sweep(ctx context.Context, _ int) (backend.SweepReply, error) {
	s.mu.Lock()
	s.sweeps = append(s.sweeps, time.Now())
	sweep := s.sweep
	s.mu.Unlock()
	if sweep == nil {
		return backend.SweepReply{}, nil
	}
	return sweep(ctx)
}

func (s *script) List(_ context.Context, q lease.Query, cursor string) (backend.ListReply, error) {
	return s.list(q, cursor)
}

func (s *script) Events(ctx context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	return s.events(ctx, a)
}

func (s *script) Subscribe(lease.ID) (<-chan struct{}, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakes++
	return s.hint, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wakes--
	}
}

func (s *script) Stats(context.Context) (lease.Stats, error) { return s.stats() }

func (s *script) Config(context.Context) (backend.ConfigReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configReads++
	return backend.ConfigReply{Config: s.config, Now: time.Now()}, s.readErr
}

func (s *script) SetConfig(_ context.Context, c lease.Config) (lease.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Version != s.config.Version {
		return lease.Config{}, lease.ErrVersion
	}
	c.Version++
	s.config = c
	return c, nil
}

func (s *script) Close() error {
	s.closed++
	return nil
}

// onSweep sets what Sweep answers; the engine sweeps in the background from the
// start.
func (s *script) onSweep(f func(context.Context) (backend.SweepReply, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep = f
}

// change sets the configuration as another process would.
func (s *script) change(f func(c *lease.Config)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Version++
	f(&s.config)
}

// state returns copies of what was recorded.
func (s *script) state() (asks []backend.AcquireArgs, withdrawn []backend.WithdrawArgs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(asks, s.asks...), append(withdrawn, s.withdrawn...)
}

// wantWithdrawn requires that the only attempt asked for was withdrawn once.
func (s *script) wantWithdrawn(t *testing.T, why lease.EndReason) {
	t.Helper()
	asks, withdrawn := s.state()
	require.NotEmpty(t, asks)
	require.Equal(t, []backend.WithdrawArgs{{
		ID: asks[0].Request.ID, Holder: asks[0].Request.Holder, Attempt: asks[0].Attempt, Why: why,
	}}, withdrawn)
}

// grant is the reply that grants an ask.
func grant(a backend.AcquireArgs) backend.AcquireReply {
	r := a.Request
	return backend.AcquireReply{
		Lease: lease.Lease{
			ID: r.ID, Token: 7, Holder: r.Holder, Claims: r.Claims, Status: lease.Active, TTL: r.TTL, Replaced: r.Replace.ID,
		},
		Remaining: r.TTL,
	}
}

// queued is the reply that keeps a place behind one lease of holder "other".
func queued(retry time.Duration) backend.AcquireReply {
	return backend.AcquireReply{
		Outcome: backend.Queued, Position: 1, Count: 1, RetryAfter: retry,
		Blockers: []lease.Blocker{{Holder: "other", Held: lease.Claim{Path: "a"}}},
	}
}

// answer is how an ask ends.
type answer func(a backend.AcquireArgs) (backend.AcquireReply, error)

// answers returns an Acquire that answers one after the other, and the last
// one for ever.
func answers(replies ...answer) func(context.Context, backend.AcquireArgs) (backend.AcquireReply, error) {
	n := 0
	return func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
		f := replies[min(n, len(replies)-1)]
		n++
		return f(a)
	}
}

func granting(a backend.AcquireArgs) (backend.AcquireReply, error) { return grant(a), nil }

func queueing(backend.AcquireArgs) (backend.AcquireReply, error) { return queued(0), nil }

func failing(backend.AcquireArgs) (backend.AcquireReply, error) {
	return backend.AcquireReply{}, errDown
}

func outcome(o backend.Outcome) answer {
	return func(backend.AcquireArgs) (backend.AcquireReply, error) { return backend.AcquireReply{Outcome: o}, nil }
}

// stalling never answers before its context ends.
func stalling(ctx context.Context, _ backend.AcquireArgs) (backend.AcquireReply, error) {
	<-ctx.Done()
	return backend.AcquireReply{}, ctx.Err()
}

// request asks for path "a" as holder "h".
func request() lease.Request {
	return lease.Request{Holder: "h", Claims: lease.Paths("a"), TTL: time.Minute}
}

// elapsed returns a function that says how much virtual time has passed.
func elapsed() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}
