// Package benchtest measures throughput, for benchmarks that compare two ways in
// turns.
package benchtest

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Throughput returns how often a second the goroutines complete what do does,
// each with a path of its own.
func Throughput(b *testing.B, goroutines int, do func(ctx context.Context, path string) error) float64 {
	const round = 300 * time.Millisecond
	var done atomic.Int64
	var running sync.WaitGroup
	start := time.Now()
	for g := range goroutines {
		running.Go(func() {
			path := "src/pkg" + strconv.Itoa(g) + "/file.go"
			for time.Since(start) < round {
				if err := do(b.Context(), path); err != nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	running.Wait()
	return float64(done.Load()) / time.Since(start).Seconds()
}

// Median sorts xs and returns the one in the middle.
func Median(xs []float64) float64 {
	slices.Sort(xs)
	return xs[len(xs)/2]
}
