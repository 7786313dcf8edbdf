package sqlitebackend

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// BenchmarkRenewalsBesideWaiters renews an unrelated lease while so many calls
// wait for one path, and reports how long a renewal takes and how many places
// lapsed. Run it with
//
//	LEASEKIT_WAITERS=5000 go test -run '^$' -bench RenewalsBesideWaiters -benchtime 200x ./sqlitebackend
func BenchmarkRenewalsBesideWaiters(b *testing.B) {
	sizes := []int{0, 200}
	if more, err := strconv.Atoi(os.Getenv("LEASEKIT_WAITERS")); err == nil {
		sizes = append(sizes, more)
	}
	for _, waiters := range sizes {
		b.Run(fmt.Sprintf("waiters=%d", waiters), func(b *testing.B) {
			m, err := Open(b.Context(), newPath(b), &quick)
			require.NoError(b, err)
			ctx, cancel := context.WithCancel(b.Context())
			_, err = m.TryAcquire(ctx, lease.Request{Holder: "holder", Claims: lease.Paths("hot"), TTL: time.Hour})
			require.NoError(b, err)
			kept, err := m.TryAcquire(ctx, lease.Request{Holder: "keeper", Claims: lease.Paths("other"), TTL: 2 * time.Second})
			require.NoError(b, err)
			begun := time.Now()
			var waiting sync.WaitGroup
			for i := range waiters {
				waiting.Go(func() {
					_, _ = m.Acquire(ctx, lease.Request{
						Holder: fmt.Sprint("waiter-", i), Claims: lease.Paths("hot"), TTL: 2 * time.Second, Timeout: lease.NoTimeout,
					})
				})
			}
			renew := func() time.Duration {
				start := time.Now()
				_, err := m.Renew(ctx, kept.Ref(), 0)
				require.NoError(b, err)
				return time.Since(start)
			}
			limit := time.Now().Add(time.Minute)
			for pending := -1; pending < waiters && time.Now().Before(limit); {
				stats, err := m.Stats(ctx)
				require.NoError(b, err)
				pending = stats.Pending
				renew()
				pause := time.NewTimer(100 * time.Millisecond) // looks are work, too
				<-pause.C
			}
			lapsed := func() int {
				n := 0
				for _, err := range m.History(ctx, lease.Query{All: true, Kinds: []lease.Kind{lease.KindLapsed}}) {
					require.NoError(b, err)
					n++
				}
				return n
			}
			b.ReportMetric(time.Since(begun).Seconds(), "enqueue-s")
			var took []time.Duration
			for b.Loop() {
				took = append(took, renew())
				pause := time.NewTimer(10 * time.Millisecond)
				<-pause.C
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(lapsed()), "lapsed")
			b.ReportMetric(0, "ns/op")
			cancel()
			waiting.Wait()
			require.NoError(b, m.Close())
		})
	}
}
