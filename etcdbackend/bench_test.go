package etcdbackend

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/leasekit/leasekit/internal/benchtest"
	"github.com/leasekit/leasekit/lease"
)

// BenchmarkPair compares acquire and release of 64 goroutines, each with a path
// of its own, with etcd's own mutex, in turns on one member.
func BenchmarkPair(b *testing.B) {
	host := single(b)
	m, err := New(b.Context(), connect(b, host), nil)
	require.NoError(b, err)
	defer m.Close()
	client := connect(b, host)
	session, err := concurrency.NewSession(client)
	require.NoError(b, err)
	defer session.Close()

	ours := func(ctx context.Context, path string) error {
		l, err := m.TryAcquire(ctx, lease.Request{Holder: path, Claims: lease.Paths(path), TTL: time.Minute})
		if err == nil {
			err = m.Release(ctx, l.Ref())
		}
		return err
	}
	theirs := func(ctx context.Context, path string) error {
		mutex := concurrency.NewMutex(session, "/mutex/"+path)
		err := mutex.Lock(ctx)
		if err == nil {
			err = mutex.Unlock(ctx)
		}
		return err
	}
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			var ratios, own, other []float64
			for b.Loop() {
				a, c := benchtest.Throughput(b, goroutines, ours), benchtest.Throughput(b, goroutines, theirs)
				own, other, ratios = append(own, a), append(other, c), append(ratios, a/c)
			}
			b.ReportMetric(benchtest.Median(own), "pairs/s")
			b.ReportMetric(benchtest.Median(other), "mutexes/s")
			b.ReportMetric(benchtest.Median(ratios), "ratio")
		})
	}
}

// BenchmarkProcesses is how evenly four handles, with 16 goroutines each, share a
// namespace: paths of their own, but one head.
func BenchmarkProcesses(b *testing.B) {
	host := single(b)
	var managers []lease.Manager
	for range handles {
		m, err := New(b.Context(), connect(b, host), nil)
		require.NoError(b, err)
		defer m.Close()
		managers = append(managers, m)
	}
	var even, total []float64
	for b.Loop() {
		rates := make([]float64, handles)
		var all sync.WaitGroup
		for i, m := range managers {
			all.Go(func() {
				rates[i] = benchtest.Throughput(b, 16, func(ctx context.Context, path string) error {
					path = fmt.Sprint(i, "/", path)
					l, err := m.TryAcquire(ctx, lease.Request{Holder: path, Claims: lease.Paths(path), TTL: time.Minute})
					if err == nil {
						err = m.Release(ctx, l.Ref())
					}
					return err
				})
			})
		}
		all.Wait()
		even = append(even, slices.Min(rates)/slices.Max(rates))
		total = append(total, rates[0]+rates[1]+rates[2]+rates[3])
	}
	b.ReportMetric(benchtest.Median(total), "pairs/s")
	b.ReportMetric(benchtest.Median(even), "slowest/fastest")
}

// BenchmarkHandover compares how long it takes until the next of 16 waiters, in
// four processes' worth of handles, holds the path that another gave up, with
// etcd's own mutex; and of that the way from one handle to another.
func BenchmarkHandover(b *testing.B) {
	const waiters = 16
	host := single(b)
	b.Run("leases", func(b *testing.B) {
		var managers []lease.Manager
		for range handles {
			m, err := New(b.Context(), connect(b, host), nil)
			require.NoError(b, err)
			defer m.Close()
			managers = append(managers, m)
		}
		path := string(lease.NewID()) // the last holder of a run keeps it
		handover(b, waiters, func(ctx context.Context, i int) (func() error, error) {
			m := managers[i%handles]
			l, err := m.Acquire(ctx, lease.Request{
				Holder: fmt.Sprint(i), Claims: lease.Paths(path), TTL: time.Minute, Timeout: lease.NoTimeout,
			})
			return func() error { return m.Release(ctx, l.Ref()) }, err
		})
	})
	b.Run("mutexes", func(b *testing.B) {
		var sessions []*concurrency.Session
		for range waiters { // a session cannot wait twice
			session, err := concurrency.NewSession(connect(b, host))
			require.NoError(b, err)
			defer session.Close()
			sessions = append(sessions, session)
		}
		handover(b, waiters, func(ctx context.Context, i int) (func() error, error) {
			mutex := concurrency.NewMutex(sessions[i], "/hot")
			err := mutex.Lock(ctx)
			return func() error { return mutex.Unlock(ctx) }, err
		})
	})
}

const handles = 4 // each is the handle of every fourth waiter

// handover lets a line of waiters pass something on, again and again, and
// reports the median time from the beginning of a release to the next grant.
func handover(b *testing.B, waiters int, acquire func(context.Context, int) (func() error, error)) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var released time.Time // by who holds it
	var from int           // who that was
	var times, between []float64
	enough := make(chan struct{})
	var all sync.WaitGroup
	for i := range waiters {
		all.Go(func() {
			for {
				release, err := acquire(ctx, i)
				if err != nil {
					return // the others are done
				}
				if !released.IsZero() {
					took := float64(time.Since(released).Microseconds()) / 1000
					if times = append(times, took); i%handles != from%handles {
						between = append(between, took)
					}
				}
				if len(times) == b.N {
					close(enough)
					return
				}
				if len(times) > b.N {
					return
				}
				// Those that wait have got in line: a holder does some work.
				<-time.After(20 * time.Millisecond)
				released, from = time.Now(), i
				if err := release(); err != nil {
					if ctx.Err() == nil {
						b.Error(err)
					}
					return
				}
			}
		})
	}
	<-enough
	cancel()
	all.Wait()
	b.ReportMetric(benchtest.Median(times), "ms/handover")
	if len(between) > 0 {
		b.ReportMetric(benchtest.Median(between), "ms/between")
	}
}
