package backend_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// TestCancelledCallsLeaveNothing: calls that give up at every moment there is,
// over a store that loses replies and is slow, leave no lease and no waiter.
func TestCancelledCallsLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.NewStore()
		flaky := &lossy{Store: store, random: rand.New(rand.NewPCG(1, 2))}
		m := backend.New(flaky, nil)
		var calls sync.WaitGroup
		for i := range 200 {
			calls.Go(func() {
				holder := fmt.Sprint("h", i)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
				defer cancel()
				r := lease.Request{Holder: holder, Claims: lease.Paths(fmt.Sprint(i % 3)), TTL: time.Hour}
				if i%2 == 0 {
					r.Timeout = time.Duration(i/2) * time.Millisecond
				}
				l, err := m.Acquire(ctx, r)
				if err == nil {
					_ = m.Release(context.WithoutCancel(ctx), l.Ref())
				}
			})
		}
		calls.Wait()
		time.Sleep(lease.MinEndedRetention)
		require.NoError(t, m.Close())
		stats, err := store.Stats(t.Context())
		require.NoError(t, err)
		require.Zero(t, stats.Active)
		require.Zero(t, stats.Pending)
		require.Positive(t, stats.Token)
	})
}

// lossy is a store whose steps take time, are not seen by who has gone, and
// whose replies are lost now and then.
type lossy struct {
	backend.Store
	mu     sync.Mutex
	random *rand.Rand
}

func (l *lossy) chance(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.random.IntN(n) == 0
}

func (l *lossy) around(ctx context.Context, step func()) error {
	for range 2 {
		select {
		case <-ctx.Done():
			if l.chance(2) {
				step() // it arrives late
			}
			return ctx.Err()
		case <-time.After(3 * time.Millisecond):
		}
	}
	step()
	if l.chance(8) {
		return errDown
	}
	return nil
}

func (l *lossy) Acquire(ctx context.Context, a backend.AcquireArgs) (reply backend.AcquireReply, err error) {
	lost := l.around(ctx, func() { reply, err = l.Store.Acquire(ctx, a) })
	if lost != nil {
		return backend.AcquireReply{}, lost
	}
	return reply, err
}

func (l *lossy) Withdraw(ctx context.Context, a backend.WithdrawArgs) (reply backend.WithdrawReply, err error) {
	lost := l.around(ctx, func() { reply, err = l.Store.Withdraw(ctx, a) })
	if lost != nil {
		return backend.WithdrawReply{}, lost
	}
	return reply, err
}

func (l *lossy) Release(ctx context.Context, a backend.ReleaseArgs) (reply backend.ReleaseReply, err error) {
	lost := l.around(ctx, func() { reply, err = l.Store.Release(ctx, a) })
	if lost != nil {
		return backend.ReleaseReply{}, lost
	}
	return reply, err
}

// TestHandOver: waiters are served in order, each as soon as the path is free.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New(nil)
		first, err := m.TryAcquire(t.Context(), lease.Request{Holder: "first", Claims: lease.Paths("a")})
		require.NoError(t, err)
		var order []int
		var calls sync.WaitGroup
		for i := range 20 {
			calls.Go(func() {
				l, err := m.Acquire(t.Context(), lease.Request{Holder: fmt.Sprint(i), Claims: lease.Paths("a")})
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i) // guarded by the lease
				if err := m.Release(t.Context(), l.Ref()); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		took := elapsed()
		require.NoError(t, m.Release(t.Context(), first.Ref()))
		calls.Wait()
		require.Zero(t, took())
		require.IsIncreasing(t, order)
		require.NoError(t, m.Close())
	})
}

func BenchmarkAcquireRelease(b *testing.B) {
	for _, op := range []string{"TryAcquire", "Acquire"} {
		b.Run(op, func(b *testing.B) {
			m := backend.New(instant{}, nil)
			defer m.Close()
			acquire := map[string]func(context.Context, lease.Request) (lease.Lease, error){
				"TryAcquire": m.TryAcquire, "Acquire": m.Acquire,
			}[op]
			r := request()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					l, err := acquire(b.Context(), r)
					if err != nil {
						b.Error(err)
					}
					if err := m.Release(b.Context(), l.Ref()); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// instant grants everything at once: what is measured is the engine.
type instant struct{ backend.Store }

func (instant) Config(context.Context) (backend.ConfigReply, error) {
	return backend.ConfigReply{Config: lease.DefaultConfig()}, nil
}

func (instant) Acquire(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	return backend.AcquireReply{Lease: lease.Lease{ID: a.Request.ID, Holder: a.Request.Holder}, Remaining: a.Request.TTL}, nil
}

func (instant) Release(context.Context, backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return backend.ReleaseReply{}, nil
}

func (instant) Subscribe(lease.ID) (<-chan struct{}, func()) { return nil, func() {} }

func (instant) Close() error { return nil }
