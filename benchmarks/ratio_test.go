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

// BenchmarkRatio says how many times as many pairs of acquire and release
// Leasekit does as its peers. One operation is a round, in which each has its
// turn on the same server, so that what disturbs the machine disturbs all; the
// figures are medians of the rounds' ratios:
//
//	go test -run '^$' -bench Ratio -benchtime 7x
func BenchmarkRatio(b *testing.B) {
	server := redistest.Single(b)
	ours := openLeasekit(b, server)
	peers := map[string]locker{
		"redislock":             openRedislock(b, server),
		"rueidislock-majority1": openRueidislock(1)(b, server),
	}
	for _, goroutines := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			keys := ownKeys(goroutines)
			ratios := map[string][]float64{}
			for range b.N {
				rate := pairsPerSecond(b, ours, keys)
				ratios["pairs/s"] = append(ratios["pairs/s"], rate)
				for name, peer := range peers {
					ratios["x-"+name] = append(ratios["x-"+name], rate/pairsPerSecond(b, peer, keys))
				}
			}
			reportMedians(b, ratios)
		})
	}
}

func reportMedians(b *testing.B, figures map[string][]float64) {
	for name, all := range figures {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], name)
	}
}

// pairsPerSecond has a goroutine for each list of keys do pairs for a moment.
func pairsPerSecond(b *testing.B, l locker, keys [][]string) float64 {
	b.Helper()
	const moment = 500 * time.Millisecond
	ctx, cancel := context.WithCancelCause(b.Context())
	defer cancel(nil)
	var pairs atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for _, own := range keys {
		group.Go(func() {
			for turn := 0; time.Since(start) < moment && ctx.Err() == nil; turn++ {
				if err := l.Pair(ctx, own[turn%len(own)]); err != nil {
					cancel(err)
					return
				}
				pairs.Add(1)
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		b.Fatal(err)
	}
	return float64(pairs.Load()) / time.Since(start).Seconds()
}
