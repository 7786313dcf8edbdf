package redisbackend

import (
	"context"
	"runtime"
	"sync"
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

// TestHookThatPanics: who sends by itself sees the panic; its neighbours get an error, and the next are served.
func TestHookThatPanics(t *testing.T) {
	for name, leave := range map[string]func(){"panic": func() { panic("hook") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
				var broken bool
				send := func(ctx context.Context, args []any) ([]any, error) {
					replies, err := server.send(ctx, args)
					if broken {
						leave()
					}
					return replies, err
				}
				combined.send, combined.sendBriefly = server.send, send
				combined.queue.PushBack(newOperation("op", []any{"neighbour"})) // as if it waited for a slot
				neighbour := combined.queue.Front().Value.(*operation)
				neighbour.place = combined.queue.Front()
				broken = true
				var group sync.WaitGroup
				group.Go(func() {
					defer func() { _ = recover() }()
					_, _ = combined.do(t.Context(), "op", "own")
					t.Error("returned")
				})
				group.Wait()
				<-neighbour.done
				require.ErrorIs(t, neighbour.err, errUnknown)
				require.ErrorIs(t, neighbour.err, errNoReturn)
				broken = false
				for range 2 * fewestBatches {
					_, err := combined.do(t.Context(), "op", "next")
					require.NoError(t, err)
				}
				require.Zero(t, combined.batches)
				require.Zero(t, combined.operations)
			})
		})
	}
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
	server.Do("CLIENT", "KILL", "TYPE", "normal") // the first has to open a connection
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
