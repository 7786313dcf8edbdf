package metrics_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
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
// operation is one turn of each; cost_% is the median of what a turn with the
// metrics takes longer than the mean of the two turns beside it.
//
//	go test -run '^$' -bench Cost -benchtime 40x
func BenchmarkCost(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		measureCost(b, 20_000, func(e *backend.Options) lease.Manager { return memory.New(&memory.Options{Engine: e}) })
	})
	b.Run("sqlite", func(b *testing.B) {
		measureCost(b, 2_000, func(e *backend.Options) lease.Manager {
			m, err := sqlitebackend.Open(b.Context(), filepath.Join(b.TempDir(), "leases.db"), &sqlitebackend.Options{Engine: e})
			require.NoError(b, err)
			return m
		})
	})
	b.Run("redis", func(b *testing.B) {
		server := redistest.Single(b)
		n := 0
		measureCost(b, 4_000, func(e *backend.Options) lease.Manager {
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
	turn(b, without, pairs)
	turn(b, with, pairs)
	var shares []float64
	var plain time.Duration
	b.ResetTimer()
	before := turn(b, without, pairs)
	for range b.N {
		took := turn(b, with, pairs)
		after := turn(b, without, pairs)
		shares = append(shares, 100*(2*took.Seconds()/(before+after).Seconds()-1))
		plain += after
		before = after
	}
	slices.Sort(shares)
	b.ReportMetric(shares[len(shares)/2], "cost_%")
	b.ReportMetric(float64(pairs*b.N)/plain.Seconds(), "pairs/s")
}

// turn returns how long 64 goroutines take for so many pairs.
func turn(b *testing.B, m lease.Acquirer, pairs int) time.Duration {
	var next atomic.Int64
	var workers sync.WaitGroup
	began := time.Now()
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
	return time.Since(began)
}
