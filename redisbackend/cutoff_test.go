package redisbackend_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

// behindProxy returns a Manager whose link a test can disturb.
func behindProxy(t *testing.T, server *redistest.Server, change func(*redis.Options)) (lease.Manager, *redistest.Proxy) {
	t.Helper()
	proxy := redistest.NewProxy(t, server.Addr())
	o := &redis.Options{Addr: proxy.Addr()}
	change(o)
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return manage(t, client, nil), proxy
}

// Replies are lost: up to 6 in a row, which is more than go-redis sends a call by itself. After an error the path is free
// again for somebody else, or granted to one who asks again with the same ID; whoever was told of a lease has it.
func TestLostRepliesToAcquire(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	direct := manage(t, server.Client(), nil)
	for name, change := range map[string]func(*redis.Options){
		"repeated by go-redis": func(*redis.Options) {},
		"sent once":            func(o *redis.Options) { o.MaxRetries = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			m, proxy := behindProxy(t, server, change)
			errors := 0
			for i := range 60 {
				call := m.TryAcquire
				if i%2 == 1 {
					call = m.Acquire
				}
				r := lease.Request{
					ID: lease.NewID(), Holder: lease.NewHolder("cut-off"), Claims: lease.Paths(fmt.Sprint(name, "/", i)),
					TTL: time.Hour, Timeout: patience,
				}
				proxy.LoseReplyTo("evalsha", 1+i%6)
				l, err := call(t.Context(), r)
				if err != nil {
					errors++
					require.ErrorIs(t, err, lease.ErrUnavailable)
				}
				if err != nil && i%4 < 2 {
					next := r
					next.ID, next.Holder = "", lease.NewHolder("next")
					_, err = direct.Acquire(t.Context(), next)
					require.NoError(t, err, "the path is free again")
					proxy.LoseReplyTo("evalsha", 0)
					continue
				}
				for err != nil {
					require.ErrorIs(t, err, lease.ErrUnavailable)
					l, err = call(t.Context(), r)
				}
				same, err := direct.Get(t.Context(), r.ID)
				require.NoError(t, err)
				require.Equal(t, lease.Active, same.Status)
				require.Equal(t, l.Token, same.Token)
				again, err := direct.TryAcquire(t.Context(), r)
				require.NoError(t, err)
				require.Equal(t, l.Token, again.Token, "the same ID is the same lease")
				proxy.LoseReplyTo("evalsha", 0)
				require.NoError(t, m.Release(t.Context(), l.Ref()))
			}
			t.Logf("%d of 60 calls failed", errors)
			require.Positive(t, errors)
		})
	}
}

// A deadline is kept over a link that swallows everything, by every call, whatever go-redis does. It runs alone, not beside
// the suites: it is about 50 milliseconds.
func TestDeadlineOverStalledLink(t *testing.T) {
	const deadline, grace = 100 * time.Millisecond, 50 * time.Millisecond
	server := redistest.Single(t)
	m, proxy := behindProxy(t, server, func(*redis.Options) {})
	request := func(path string) lease.Request {
		return lease.Request{Holder: "holder", Claims: lease.Paths(path), TTL: time.Hour}
	}
	held, err := m.TryAcquire(t.Context(), request("held"))
	require.NoError(t, err)
	proxy.Stall()
	defer proxy.Resume()

	for name, call := range map[string]func(context.Context) error{
		"TryAcquire": func(ctx context.Context) error { _, err := m.TryAcquire(ctx, request("f")); return err },
		"Acquire":    func(ctx context.Context) error { _, err := m.Acquire(ctx, request("f")); return err },
		"Renew":      func(ctx context.Context) error { _, err := m.Renew(ctx, held.Ref(), 0); return err },
		"Release":    func(ctx context.Context) error { return m.Release(ctx, held.Ref()) },
		"Get":        func(ctx context.Context) error { _, err := m.Get(ctx, held.ID); return err },
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 {
				// How late this machine is, apart from what is tested, is seen by a goroutine that only waits.
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				seen := make(chan time.Duration, 1)
				go func() {
					<-ctx.Done()
					seen <- time.Since(start)
				}()
				err := call(ctx)
				took := time.Since(start)
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, lease.ErrUnavailable)
				late := <-seen - deadline
				require.Less(t, took, deadline+grace+late, "the machine itself was %v late", late)
			}
		})
	}
}
