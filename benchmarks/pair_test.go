package benchmarks

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leasekit/leasekit/internal/redistest"
)

// keysEach is how many keys a goroutine takes in turn.
const keysEach = 64

// BenchmarkPair measures acquire and release without contention: every
// goroutine has its own keys. All lockers share one server, one after another.
//
// Besides the time it reports pairs/s, the 50th and 99th percentile of a pair,
// and the server's processor time for each pair.
func BenchmarkPair(b *testing.B) {
	server := redistest.Single(b)
	for _, contender := range contenders {
		for _, goroutines := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("locker=%s/goroutines=%d", contender.name, goroutines), func(b *testing.B) {
				measurePairs(b, server, contender.open(b, server), goroutines)
			})
		}
	}
}

func measurePairs(b *testing.B, server *redistest.Server, l locker, goroutines int) {
	ctx := b.Context()
	monitor := openClient(b, server)
	keys := ownKeys(goroutines)

	// The first pairs open connections and load scripts: not what is measured.
	if _, err := spread(ctx, l, keys, 10*goroutines); err != nil {
		b.Fatal(err)
	}
	before, err := serverCPU(ctx, monitor)
	if err != nil {
		b.Fatal(err)
	}

	b.ReportAllocs()
	b.ResetTimer()
	took, err := spread(ctx, l, keys, b.N)
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}

	after, err := serverCPU(ctx, monitor)
	if err != nil {
		b.Fatal(err)
	}
	slices.Sort(took)
	microseconds := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
	b.ReportMetric(microseconds(took[len(took)/2]), "p50-us")
	b.ReportMetric(microseconds(took[len(took)*99/100]), "p99-us")
	b.ReportMetric(microseconds(after-before)/float64(b.N), "server-us/pair")
}

// ownKeys returns a list of keys for each goroutine.
func ownKeys(goroutines int) [][]string {
	keys := make([][]string, goroutines)
	for g := range keys {
		for k := range keysEach {
			keys[g] = append(keys[g], fmt.Sprintf("src/agent-%d/file-%d.go", g, k))
		}
	}
	return keys
}

// spread does total pairs with one goroutine for each list of keys, and
// returns how long each pair took. The first error ends all of them.
func spread(ctx context.Context, l locker, keys [][]string, total int) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	took := make([]time.Duration, total)
	var next atomic.Int64
	var group sync.WaitGroup
	for _, own := range keys {
		group.Go(func() {
			for turn := 0; ctx.Err() == nil; turn++ {
				pair := int(next.Add(1)) - 1
				if pair >= total {
					return
				}
				start := time.Now()
				if err := l.Pair(ctx, own[turn%len(own)]); err != nil {
					cancel(err)
					return
				}
				took[pair] = time.Since(start)
			}
		})
	}
	group.Wait()
	return took, context.Cause(ctx)
}
