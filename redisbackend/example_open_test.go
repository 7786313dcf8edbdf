package redisbackend_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// The client is the application's own, and stays open when the Manager is
// closed. Here it speaks to miniredis; any redis.UniversalClient will do.
func ExampleOpen() {
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true)
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()

	ctx := context.Background()
	m, err := redisbackend.Open(ctx, client, &redisbackend.Options{Namespace: "team-a"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	err = lease.Do(ctx, m, lease.Request{Holder: "agent-1", Claims: lease.Trees("src/net")},
		func(ctx context.Context, _ lease.Lease) error {
			_, err := m.TryAcquire(ctx, lease.Request{Holder: "agent-2", Claims: lease.Paths("src/net/dial.go")})
			fmt.Println("refused:", errors.Is(err, lease.ErrConflict))
			return nil
		})
	fmt.Println("error:", err)
	// Output:
	// refused: true
	// error: <nil>
}
