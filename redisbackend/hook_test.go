package redisbackend

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestHookThatPanics: whose context cannot end sends by itself and sees the panic; its neighbours get an error, and the next are served.
func TestHookThatPanics(t *testing.T) {
	for name, leave := range map[string]func(){"panic": func() { panic("hook") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
				var broken atomic.Bool
				send := func(ctx context.Context, args []any) ([]any, error) {
					replies, err := server.send(ctx, args)
					if broken.Load() {
						leave()
					}
					return replies, err
				}
				combined.send = send
				combined.queue.PushBack(newOperation("op", []any{"neighbour"})) // as if it waited for a slot
				neighbour := combined.queue.Front().Value.(*operation)
				neighbour.place = combined.queue.Front()
				broken.Store(true)
				var group sync.WaitGroup
				group.Go(func() {
					defer func() { _ = recover() }()
					_, _ = combined.do(context.Background(), "op", "own")
					t.Error("returned")
				})
				group.Wait()
				<-neighbour.done
				require.ErrorIs(t, neighbour.err, errUnknown)
				require.ErrorIs(t, neighbour.err, errNoReturn)
				broken.Store(false)
				for range 2 * fewestBatches {
					_, err := combined.do(t.Context(), "op", "next")
					require.NoError(t, err)
				}
				synctest.Wait() // for the senders to give up their slots
				combined.mu.Lock()
				defer combined.mu.Unlock()
				require.Zero(t, combined.batches)
				require.Zero(t, combined.operations)
			})
		})
	}
}
