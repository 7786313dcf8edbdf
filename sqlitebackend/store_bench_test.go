package sqlitebackend

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/benchtest"
	"github.com/leasekit/leasekit/lease"

	"github.com/leasekit/leasekit/internal/proctest"
)

// BenchmarkStore is the benchmark that all stores share, with synchronous=NORMAL.
func BenchmarkStore(b *testing.B) { conformance.Bench(b, fixture) }

// BenchmarkHandOverBetweenProcesses is the time from just before the release in
// one process to the grant in another. Run it with -benchtime 50x.
func BenchmarkHandOverBetweenProcesses(b *testing.B) {
	path := newPath(b)
	m, queued := queueing(b, path)
	child := proctest.Start(b, "hand", path)
	child.Expect("ready")
	var took []float64
	for range b.N {
		took = append(took, handOver(b, m, queued, child).Seconds()*1000)
	}
	child.Finish()
	b.ReportMetric(benchtest.Median(took), "p50-ms")
	b.ReportMetric(took[len(took)*99/100], "p99-ms") // median has sorted them
	b.ReportMetric(0, "ns/op")
}

// BenchmarkGrowth acquires and releases while many other leases are held: the
// time hardly grows.
func BenchmarkGrowth(b *testing.B) {
	for _, held := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("held=%d", held), func(b *testing.B) {
			m := mustManager(b, newPath(b), &Options{Synchronous: Normal})
			hold(b, m, held)
			b.ResetTimer()
			for i := range b.N {
				l, err := m.TryAcquire(b.Context(), lease.Request{Holder: "h", Claims: lease.Paths(fmt.Sprintf("a/b/%d", i%1000)), TTL: time.Hour})
				require.NoError(b, err)
				require.NoError(b, m.Release(b.Context(), l.Ref()))
			}
			b.StopTimer()
		})
	}
}

// BenchmarkList lists 10,000 leases.
func BenchmarkList(b *testing.B) {
	const held = 10_000
	m := mustManager(b, newPath(b), &Options{Synchronous: Normal})
	hold(b, m, held)
	b.ResetTimer()
	for range b.N {
		listed := 0
		for _, err := range m.List(b.Context(), lease.Query{}) {
			require.NoError(b, err)
			listed++
		}
		require.Equal(b, held, listed)
	}
}

// hold grants n leases to a hundred holders.
func hold(b *testing.B, m lease.Manager, n int) {
	b.Helper()
	const goroutines = 100
	require.NoError(b, inParallel(goroutines, func(g int) error {
		for i := g; i < n; i += goroutines {
			_, err := m.TryAcquire(b.Context(), lease.Request{
				Holder: fmt.Sprintf("holder-%d", g), Claims: lease.Paths(fmt.Sprintf("held/%d/%d", i%97, i)), TTL: time.Hour,
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}
