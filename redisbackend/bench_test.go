package redisbackend

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/internal/redistest"
)

// toy has a lock in its smallest form, to measure what the combiner costs and saves: "take" and "free" are what
// SET NX PX and compare-and-delete are.
const toy = `
operations['take'] = function(...) local a = { ... }
  return redis.call('SET', namespace .. a[1], a[2], 'NX', 'PX', a[3]) and 'ok' or 'held'
end
operations['free'] = function(...) local a = { ... }
  if redis.call('GET', namespace .. a[1]) ~= a[2] then
    return 'lost'
  end
  redis.call('DEL', namespace .. a[1])
  return 'ok'
end
`

const compareAndDelete = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

// BenchmarkPair measures one take and one free of a lock of the goroutine's own: b.N counts pairs.
func BenchmarkPair(b *testing.B) {
	server := redistest.Single(b)
	names := newKeyspace("bench")
	program := stub(part{name: "toy.lua", source: toy})
	keys := names.keys("lease")
	deadline, cancel := context.WithCancel(context.Background())
	defer cancel()

	variants := []struct {
		name string
		ctx  context.Context
		make func(client *redis.Client) func(context.Context, string) error
	}{
		{"plain", context.Background(), func(client *redis.Client) func(context.Context, string) error {
			script := redis.NewScript(compareAndDelete)
			return func(ctx context.Context, name string) error {
				key := names.key(name)
				if err := client.SetNX(ctx, key, "me", 60e9).Err(); err != nil {
					return err
				}
				return script.Run(ctx, client, []string{key}, "me").Err()
			}
		}},
		{"unbatched", context.Background(), func(client *redis.Client) func(context.Context, string) error {
			return func(ctx context.Context, name string) error {
				if _, err := program.run(ctx, client, keys, "take", 3, name, "me", "60000"); err != nil {
					return err
				}
				_, err := program.run(ctx, client, keys, "free", 2, name, "me")
				return err
			}
		}},
		{"combined", context.Background(), combinedPair(program, keys)},
		{"combined-cancellable", deadline, combinedPair(program, keys)},
	}
	for _, goroutines := range []int{1, 8, 64, 256} {
		for _, variant := range variants {
			b.Run(fmt.Sprintf("%s/goroutines=%d", variant.name, goroutines), func(b *testing.B) {
				client := server.Client()
				run := variant.make(client)
				var group sync.WaitGroup
				for i := range goroutines {
					share := b.N / goroutines
					if i < b.N%goroutines {
						share++
					}
					group.Go(func() {
						name := "lock-" + strconv.Itoa(i)
						for range share {
							if err := run(variant.ctx, name); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				group.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
			})
		}
	}
}

func combinedPair(program *script, keys []string) func(*redis.Client) func(context.Context, string) error {
	return func(client *redis.Client) func(context.Context, string) error {
		combined := newScriptCombiner(client, program, keys)
		return func(ctx context.Context, name string) error {
			if _, err := combined.do(ctx, "take", name, "me", "60000"); err != nil {
				return err
			}
			_, err := combined.do(ctx, "free", name, "me")
			return err
		}
	}
}
