package conformance

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Bench measures a store through the engine, in real time, on a fresh fixture
// for each part:
//
//   - pair/goroutines=N: acquire and release of distinct paths;
//   - renew/goroutines=N: renewals, each of a lease of its own;
//   - try: a refused try on a path that is held;
//   - handover/waiters=N: one hot path passed on in a line of N waiters; an
//     operation is one hand-over, from a release to the next grant;
//   - crowd: acquire and release while 10,000 other leases are held.
func Bench(b *testing.B, newFixture func(testing.TB) Fixture) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("pair/goroutines=%d", n), func(b *testing.B) {
			m := benchManager(b, newFixture)
			inParallel(b, n, func(worker, i int) { pair(b, m, worker, i) })
		})
	}
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("renew/goroutines=%d", n), func(b *testing.B) { benchRenew(b, benchManager(b, newFixture), n) })
	}
	b.Run("try", func(b *testing.B) { benchTry(b, benchManager(b, newFixture)) })
	for _, n := range []int{2, 16} {
		b.Run(fmt.Sprintf("handover/waiters=%d", n), func(b *testing.B) { benchHandover(b, benchManager(b, newFixture), n) })
	}
	b.Run("crowd", func(b *testing.B) {
		m := benchManager(b, newFixture)
		fill(b, m, 10_000)
		inParallel(b, 1, func(worker, i int) { pair(b, m, worker, i) })
	})
}

func benchManager(b *testing.B, newFixture func(testing.TB) Fixture) lease.Manager {
	b.Helper()
	m := backend.New(newFixture(b).Open(b), nil)
	b.Cleanup(func() { require.NoError(b, m.Close()) })
	return m
}

// inParallel runs work b.N times in all, on so many goroutines.
func inParallel(b *testing.B, goroutines int, work func(worker, i int)) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for worker := range goroutines {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N) && !b.Failed(); i = next.Add(1) {
				work(worker, int(i))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

func pair(b *testing.B, m lease.Acquirer, worker, i int) {
	l, err := m.TryAcquire(b.Context(), lease.Request{
		Holder: fmt.Sprintf("holder-%d", worker), Claims: lease.Paths(fmt.Sprintf("src/%d/%d", worker, i%1000)), TTL: time.Minute,
	})
	if err == nil {
		err = m.Release(b.Context(), l.Ref())
	}
	if err != nil {
		b.Error(err)
	}
}

func benchRenew(b *testing.B, m lease.Manager, goroutines int) {
	refs := make([]lease.Ref, goroutines)
	for worker := range refs {
		l, err := m.TryAcquire(b.Context(), lease.Request{
			Holder: fmt.Sprintf("holder-%d", worker), Claims: lease.Paths(fmt.Sprintf("src/%d", worker)), TTL: time.Hour,
		})
		require.NoError(b, err)
		refs[worker] = l.Ref()
	}
	inParallel(b, goroutines, func(worker, _ int) {
		if _, err := m.Renew(b.Context(), refs[worker], 0); err != nil {
			b.Error(err)
		}
	})
}

func benchTry(b *testing.B, m lease.Manager) {
	r := lease.Request{Holder: "holder", Claims: lease.Trees("src"), TTL: time.Hour}
	_, err := m.TryAcquire(b.Context(), r)
	require.NoError(b, err)
	r.Holder, r.Claims = "other", lease.Paths("src/lib/file")
	inParallel(b, 1, func(int, int) {
		if _, err := m.TryAcquire(b.Context(), r); err == nil {
			b.Error("granted")
		}
	})
}

// benchHandover lets a line of waiters pass on one path: each gets in line again
// when it has had it.
func benchHandover(b *testing.B, m lease.Manager, waiters int) {
	inParallel(b, waiters, func(worker, _ int) {
		l, err := m.Acquire(b.Context(), lease.Request{
			Holder: fmt.Sprintf("holder-%d", worker), Claims: lease.Paths("hot"), TTL: time.Minute, Timeout: lease.NoTimeout,
		})
		if err == nil {
			err = m.Release(b.Context(), l.Ref())
		}
		if err != nil {
			b.Error(err)
		}
	})
}

// fill grants n leases.
func fill(b *testing.B, m lease.Manager, n int) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				_, err := m.TryAcquire(b.Context(), lease.Request{
					Holder: fmt.Sprintf("holder-%d", i%100), Claims: lease.Paths(fmt.Sprintf("held/%d/%d", i%97, i)), TTL: time.Hour,
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
