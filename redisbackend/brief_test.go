package redisbackend

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

// TestCallerThatSendsByItself: it is answered by the call that it made, and where that is too slow by a second one, which
// it can leave; so can those whom it took along.
func TestCallerThatSendsByItself(t *testing.T) {
	inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
		tries := 0
		setDelay := func(delay time.Duration) {
			server.mu.Lock()
			defer server.mu.Unlock()
			server.delay = delay
		}
		combined.sendBriefly = func(ctx context.Context, args []any) ([]any, error) {
			tries++
			server.mu.Lock()
			slow := server.delay > briefly
			server.mu.Unlock()
			if slow {
				time.Sleep(briefly)
				return nil, errTooSlow
			}
			return server.send(ctx, args)
		}
		reply, err := combined.do(t.Context(), "op", "quick")
		require.NoError(t, err)
		require.Equal(t, "quick", reply)
		require.Equal(t, 1, tries)

		setDelay(time.Second)
		start := time.Now()
		reply, err = combined.do(t.Context(), "op", "slow")
		require.NoError(t, err)
		require.Equal(t, "slow", reply)
		require.Equal(t, 2, tries)
		require.Equal(t, briefly+time.Second, time.Since(start))

		for range 2 { // the second does not even try
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			start = time.Now()
			_, err = combined.do(ctx, "op", "left")
			require.ErrorIs(t, err, errUnknown)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Millisecond, time.Since(start))
			cancel()
		}
		time.Sleep(2 * time.Second)
		setDelay(time.Millisecond)
		_, err = combined.do(t.Context(), "op", "by a goroutine")
		require.NoError(t, err)
		require.Equal(t, 2, tries)
		_, err = combined.do(t.Context(), "op", "quick again")
		require.NoError(t, err)
		require.Equal(t, 3, tries)

		setDelay(time.Second) // nobody knows yet
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start = time.Now()
		_, err = combined.do(ctx, "op", "kept")
		require.ErrorIs(t, err, errUnknown)
		require.Equal(t, briefly, time.Since(start), "no longer than that")
	})
}

// TestCallerOverALinkThatStalls: its context ends its wait, and what it sent is known when the link works again.
func TestCallerOverALinkThatStalls(t *testing.T) {
	server := redistest.Single(t)
	proxy := redistest.NewProxy(t, server.Addr())
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr()})
	defer client.Close()
	store, err := NewStore(t.Context(), client, nil)
	require.NoError(t, err)
	defer store.Close()
	ask := backend.AcquireArgs{
		Request: lease.Request{ID: "r", Holder: "h", Claims: lease.Paths("f"), TTL: time.Minute}, Attempt: "a", ConfigVersion: 1,
	}
	_, err = store.Acquire(t.Context(), ask)
	require.NoError(t, err)
	proxy.Stall()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		start := time.Now()
		_, err = store.Acquire(ctx, ask)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(start), 2*briefly+time.Second, "a second for a machine that is busy")
		cancel()
	}
	proxy.Resume()
	reply, err := store.Acquire(t.Context(), ask)
	require.NoError(t, err)
	require.Equal(t, backend.Done, reply.Outcome)
}
