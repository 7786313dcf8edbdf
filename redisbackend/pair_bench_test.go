package redisbackend_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

func BenchmarkStore(b *testing.B) {
	server := redistest.Single(b)
	conformance.Bench(b, onServer(func() redis.UniversalClient { return server.Client() }))
}

// BenchmarkPairs compares a lease (claims, queue check, fencing, history, all durable in one step) with the barest lock
// there is, SET NX PX and a compare-and-delete script, on the same server: b.N counts pairs of taking and giving back
// on distinct paths. redis-µs is the processor time of the server.
func BenchmarkPairs(b *testing.B) {
	server := redistest.Single(b)
	for _, goroutines := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("plain/goroutines=%d", goroutines), func(b *testing.B) {
			client := server.Client()
			script := redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)
			inParallel(b, server, goroutines, func(ctx context.Context, worker, i int) error {
				key := fmt.Sprintf("plain:%d/%d", worker, i%1000)
				if err := client.SetNX(ctx, key, "me", time.Minute).Err(); err != nil {
					return err
				}
				return script.Run(ctx, client, []string{key}, "me").Err()
			})
		})
		b.Run(fmt.Sprintf("lease/goroutines=%d", goroutines), func(b *testing.B) {
			server.Do("FLUSHALL")
			m, err := redisbackend.Open(b.Context(), server.Client(), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			inParallel(b, server, goroutines, func(ctx context.Context, worker, i int) error {
				l, err := m.TryAcquire(ctx, lease.Request{
					Holder: "holder-" + strconv.Itoa(worker), Claims: lease.Paths(fmt.Sprintf("src/%d/%d", worker, i%1000)),
					TTL: time.Minute,
				})
				if err != nil {
					return err
				}
				return m.Release(ctx, l.Ref())
			})
		})
	}
}

func inParallel(b *testing.B, server *redistest.Server, goroutines int, work func(ctx context.Context, worker, i int) error) {
	b.Helper()
	if err := work(b.Context(), 0, 0); err != nil { // the script is loaded, a connection is there
		b.Fatal(err)
	}
	var next atomic.Int64
	var group sync.WaitGroup
	before := processorTime(b, server)
	b.ResetTimer()
	for worker := range goroutines {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := work(context.Background(), worker, int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
	b.ReportMetric(1e6*(processorTime(b, server)-before)/float64(b.N), "redis-µs/pair")
}

// processorTime returns what the server has used so far, in seconds.
func processorTime(b *testing.B, server *redistest.Server) float64 {
	b.Helper()
	used := 0.0
	for line := range strings.Lines(fmt.Sprint(server.Do("INFO", "cpu"))) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			used += seconds
		}
	}
	return used
}
