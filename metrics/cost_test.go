//go:build unix

package metrics_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/metrics"
	"github.com/leasekit/leasekit/redisbackend"
	"github.com/leasekit/leasekit/sqlitebackend"
)

// BenchmarkCost measures what the metrics cost: pairs of TryAcquire and Release
// by 64 goroutines, on a Manager with the Observer and on one without, in short
// turns one after the other, since no machine is equally fast for long. An
// operation is one turn of each. Two medians say how much more a turn with the
// metrics took than the mean of the two turns beside it: time_% by the clock,
// cpu_% of this process's processor time. On a machine that is busy with other
// things both are mostly noise; observer_% is not: the processor time of what the
// Observer is told in a pair, by itself, as a share of that of a pair without it.
//
//	go test -run '^$' -bench Cost -benchtime 40x
func BenchmarkCost(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		measureCost(b, 500, func(e *backend.Options) lease.Manager { return memory.New(&memory.Options{Engine: e}) })
	})
	b.Run("sqlite", func(b *testing.B) {
		measureCost(b, 500, func(e *backend.Options) lease.Manager {
			m, err := sqlitebackend.Open(b.Context(), filepath.Join(b.TempDir(), "leases.db"), &sqlitebackend.Options{Engine: e})
			require.NoError(b, err)
			return m
		})
	})
	b.Run("redis", func(b *testing.B) {
		server := redistest.Single(b)
		n := 0
		measureCost(b, 1_000, func(e *backend.Options) lease.Manager {
			n++
			client := redis.NewClient(&redis.Options{Addr: server.Addr()})
			b.Cleanup(func() { _ = client.Close() })
			m, err := redisbackend.Open(b.Context(), client, &redisbackend.Options{Namespace: fmt.Sprint("cost", n), Engine: e})
			require.NoError(b, err)
			return m
		})
	})
}

func measureCost(b *testing.B, pairs int, open func(*backend.Options) lease.Manager) {
	metered := metrics.New(nil)
	without, with := open(nil), open(&backend.Options{Observer: metered.Observer()})
	b.Cleanup(func() {
		require.NoError(b, without.Close())
		require.NoError(b, with.Close())
	})
	for _, m := range []lease.Manager{without, with} {
		c, err := m.Config(b.Context())
		require.NoError(b, err)
		c.EndedMax = 0
		_, err = m.SetConfig(b.Context(), c)
		require.NoError(b, err)
		turn(b, m, pairs)
	}
	var time, cpu []float64
	var plain took
	b.ResetTimer()
	before := turn(b, without, pairs)
	for range b.N {
		measured := turn(b, with, pairs)
		after := turn(b, without, pairs)
		time = append(time, 100*(2*measured.time/(before.time+after.time)-1))
		cpu = append(cpu, 100*(2*measured.cpu/(before.cpu+after.cpu)-1))
		plain.time, plain.cpu = plain.time+after.time, plain.cpu+after.cpu
		before = after
	}
	slices.Sort(time)
	slices.Sort(cpu)
	b.ReportMetric(time[len(time)/2], "time_%")
	b.ReportMetric(cpu[len(cpu)/2], "cpu_%")
	b.ReportMetric(100*observing(b, metered.Observer())/(plain.cpu/float64(pairs*b.N)), "observer_%")
	b.ReportMetric(float64(pairs*b.N)/plain.time, "pairs/s")
	b.ReportMetric(1e6*plain.cpu/float64(pairs*b.N), "cpu_µs/pair")
}

// took is how long something took, in seconds.
type took struct{ time, cpu float64 }

// turn returns how long 64 goroutines take for so many pairs. Before that the
// store forgets those of the turn before.
func turn(b *testing.B, m lease.Manager, pairs int) took {
	_, err := m.Sweep(b.Context())
	require.NoError(b, err)
	var next atomic.Int64
	var workers sync.WaitGroup
	began, used := time.Now(), cpuTime(b)
	for worker := range 64 {
		workers.Go(func() {
			r := lease.Request{Holder: fmt.Sprint("holder-", worker), Claims: lease.Paths(fmt.Sprint("src/", worker)), TTL: time.Minute}
			for next.Add(1) <= int64(pairs) {
				l, err := m.TryAcquire(b.Context(), r)
				if err == nil {
					err = m.Release(b.Context(), l.Ref())
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	return took{time: time.Since(began).Seconds(), cpu: cpuTime(b) - used}
}

// cpuTime returns the processor time that this process has used, in seconds.
func cpuTime(b *testing.B) float64 {
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return (time.Duration(r.Utime.Nano()) + time.Duration(r.Stime.Nano())).Seconds()
}

// observing returns the processor time of what an Observer is told in one pair.
func observing(b *testing.B, o *backend.Observer) float64 {
	const pairs = 100_000
	ids := make([]lease.Lease, 64)
	for i := range ids {
		ids[i] = lease.Lease{ID: lease.NewID(), Claims: lease.Paths("src/lib/file.go"), TTL: time.Minute}
	}
	used := cpuTime(b)
	for i := range pairs {
		l := ids[i%len(ids)]
		o.StoreCall(b.Context(), "acquire", time.Since(time.Now()), nil)
		o.Granted(b.Context(), l, time.Since(time.Now()))
		o.StoreCall(b.Context(), "release", time.Since(time.Now()), nil)
		o.Released(b.Context(), l.Ref(), time.Since(time.Now()))
	}
	return (cpuTime(b) - used) / pairs
}
