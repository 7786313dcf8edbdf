package redisbackend

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

// fakeServer answers batches after a delay and remembers them.
type fakeServer struct {
	mu      sync.Mutex
	delay   time.Duration
	batches [][]string // the first argument of each operation
	err     error      // of every batch
}

// send answers each operation with its first argument, or with an error if it is named "fail".
func (s *fakeServer) send(_ context.Context, args []any) ([]any, error) {
	s.mu.Lock()
	delay, err := s.delay, s.err
	var batch []string
	var replies []any
	for len(args) > 0 {
		count := args[1].(int)
		batch = append(batch, args[2].(string))
		if args[0] == "fail" {
			replies = append(replies, errors.New("failed"))
		} else {
			replies = append(replies, args[2])
		}
		args = args[2+count:]
	}
	s.batches = append(s.batches, batch)
	s.mu.Unlock()
	time.Sleep(delay)
	return replies, err
}

func (s *fakeServer) sent() (operations int, sizes []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, batch := range s.batches {
		operations += len(batch)
		sizes = append(sizes, len(batch))
	}
	return operations, sizes
}

// inBubble runs a test with a combiner on a fake server in virtual time. That all goroutines end is part of the test.
func inBubble(t *testing.T, run func(t *testing.T, server *fakeServer, combined *combiner)) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{delay: time.Millisecond}
		combined := newCombiner(server.send)
		defer combined.close()
		run(t, server, combined)
	})
}

// contexts are the two ways of waiting: one that can be left, and one that cannot.
func contexts(t *testing.T) map[string]context.Context {
	return map[string]context.Context{"cancellable": t.Context(), "background": context.Background()}
}

func TestLoneOperationIsSentAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
		for _, ctx := range contexts(t) {
			start := time.Now()
			reply, err := combined.do(ctx, "op", "a")
			require.NoError(t, err)
			require.Equal(t, "a", reply)
			require.Equal(t, time.Millisecond, time.Since(start))
		}
		_, sizes := server.sent()
		require.Equal(t, []int{1, 1}, sizes)
	})
}

func TestConcurrentOperationsAreMerged(t *testing.T) {
	inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
		const callers = 2*maxBatch + fewestBatches + 10
		var group sync.WaitGroup
		for i := range callers {
			ctx := context.Background()
			if i%2 == 0 {
				ctx = t.Context()
			}
			group.Go(func() {
				name := strconv.Itoa(i)
				reply, err := combined.do(ctx, "op", name)
				require.NoError(t, err)
				require.Equal(t, name, reply)
			})
			synctest.Wait() // one after the other: the first few find a free slot
		}
		group.Wait()
		operations, sizes := server.sent()
		require.Equal(t, callers, operations)
		require.ElementsMatch(t, []int{1, 1, 1, 1, maxBatch, maxBatch, 10}, sizes) // two senders may swap places
	})
}

func TestBatchesHaveALimitOfBytes(t *testing.T) {
	inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
		large := strings.Repeat("x", maxBatchBytes*2/5)
		var group sync.WaitGroup
		for range fewestBatches + 4 {
			group.Go(func() {
				_, err := combined.do(t.Context(), "op", "a", large, []byte("b"))
				require.NoError(t, err)
			})
			synctest.Wait()
		}
		group.Wait()
		_, sizes := server.sent()
		require.Equal(t, []int{1, 1, 1, 1, 2, 2}, sizes)

		_, err := combined.do(t.Context(), "op", strings.Repeat("x", 2*maxBatchBytes))
		require.NoError(t, err, "a larger one goes alone")
	})
}

func TestContextThatEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := combined.do(ctx, "op", "a")
		require.ErrorIs(t, err, errNotSent)
		require.ErrorIs(t, err, context.Canceled)
		_, err = await(ctx, func(context.Context) (any, error) { panic("called") })
		require.ErrorIs(t, err, errNotSent)
		operations, _ := server.sent()
		require.Zero(t, operations)
	})
}

func TestContextThatEndsInTheQueueAndInFlight(t *testing.T) {
	inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
		server.delay = time.Second
		var group sync.WaitGroup
		for range fewestBatches {
			group.Go(func() { // fill all slots; these leave while in flight
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				_, err := combined.do(ctx, "op", "flying")
				require.ErrorIs(t, err, errUnknown)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
			synctest.Wait()
		}
		for i := range 10 {
			group.Go(func() {
				ctx := context.Background()
				if i%2 == 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
					defer cancel()
				}
				start := time.Now()
				_, err := combined.do(ctx, "op", "queued")
				if i%2 == 0 {
					require.ErrorIs(t, err, errNotSent)
					require.Equal(t, time.Millisecond, time.Since(start))
				} else {
					require.NoError(t, err, "those who stay are served")
				}
			})
			synctest.Wait()
		}
		group.Wait()
		operations, sizes := server.sent()
		require.Equal(t, fewestBatches+5, operations, "what was withdrawn is not sent")
		require.Equal(t, []int{1, 1, 1, 1, 5}, sizes)
	})
}

func TestErrorsOfOneAndOfAll(t *testing.T) {
	inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
		var group sync.WaitGroup
		for i := range fewestBatches + 6 {
			group.Go(func() {
				name := "op"
				if i%2 == 0 {
					name = "fail"
				}
				reply, err := combined.do(t.Context(), name, "a")
				if i%2 == 0 {
					require.EqualError(t, err, "failed")
				} else {
					require.NoError(t, err)
					require.Equal(t, "a", reply)
				}
			})
			synctest.Wait()
		}
		group.Wait()

		server.err = errors.New("link is down")
		for _, ctx := range contexts(t) {
			_, err := combined.do(ctx, "op", "a")
			require.ErrorIs(t, err, errUnknown)
			require.ErrorIs(t, err, server.err)
		}
	})
}

func TestCloseEndsWhatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
		var group sync.WaitGroup
		for i := range fewestBatches + 6 {
			group.Go(func() {
				_, err := combined.do(t.Context(), "op", "a")
				if i < fewestBatches {
					require.NoError(t, err, "what was sent is answered")
				} else {
					require.ErrorIs(t, err, lease.ErrClosed)
				}
			})
			synctest.Wait()
		}
		combined.close()
		group.Wait()
		_, err := combined.do(t.Context(), "op", "a")
		require.ErrorIs(t, err, lease.ErrClosed)
		operations, _ := server.sent()
		require.Equal(t, fewestBatches, operations)
	})
}

func TestPaceFollowsTheLink(t *testing.T) {
	var p pace
	observe := func(roundTrip time.Duration, inFlight int) {
		for range paceWindow {
			p.observe(roundTrip, inFlight)
		}
	}
	require.Equal(t, fewestBatches, p.limit())
	observe(100*time.Microsecond, 1)
	require.Equal(t, fewestBatches, p.limit())
	observe(time.Millisecond+operationAllowance, 1)
	require.Equal(t, 2*fewestBatches, p.limit())
	observe(time.Second, 1)
	require.Equal(t, mostBatches, p.limit())
	observe(3*time.Millisecond, 4*maxBatch)
	require.Equal(t, fewestBatches, p.limit(), "a busy server is not a slow link")
	for range paceWindow - 1 {
		p.observe(time.Second, 1)
	}
	p.observe(0, 1)
	require.Equal(t, fewestBatches, p.limit(), "one quick batch tells the delay of the link")
}

func TestSlowLinkGetsMoreBatches(t *testing.T) {
	inBubble(t, func(t *testing.T, server *fakeServer, combined *combiner) {
		server.delay = 50 * time.Millisecond
		var group sync.WaitGroup
		for range 1000 {
			group.Go(func() {
				for range 100 {
					_, err := combined.do(t.Context(), "op", "a")
					require.NoError(t, err)
				}
			})
		}
		most := 0
		group.Go(func() {
			for range 90 {
				time.Sleep(10 * time.Millisecond)
				combined.mu.Lock()
				most = max(most, combined.batches)
				combined.mu.Unlock()
			}
		})
		group.Wait()
		require.Equal(t, mostBatches, most)
	})
}

func TestManyCallersThatComeAndGo(t *testing.T) {
	server := redistest.Single(t)
	client, names := server.Client(), newKeyspace("n")
	combined := newScriptCombiner(client, probeScript(), names.keys("lease"))
	defer combined.close()
	var mu sync.Mutex
	var answered, unknown int
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			for n := range 200 {
				ctx, cancel := context.Background(), context.CancelFunc(func() {})
				if n%3 != 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(n)*10*time.Microsecond)
				}
				_, err := combined.do(ctx, "add", "count", strconv.Itoa(i)+"."+strconv.Itoa(n))
				cancel()
				mu.Lock()
				switch {
				case err == nil:
					answered++
				case errors.Is(err, errUnknown):
					unknown++
				default:
					require.ErrorIs(t, err, errNotSent)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	counted, err := client.Get(t.Context(), names.key("count")).Int()
	require.NoError(t, err)
	t.Logf("%d answered, %d unknown, %d counted", answered, unknown, counted)
	require.GreaterOrEqual(t, counted, answered)
	require.LessOrEqual(t, counted, answered+unknown)
}

func TestDeadlineOverAStalledLink(t *testing.T) {
	server := redistest.Single(t)
	proxy := redistest.NewProxy(t, server.Addr())
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr()})
	defer client.Close()
	program, keys := probeScript(), newKeyspace("n").keys("lease")
	combined := newScriptCombiner(client, program, keys)
	defer combined.close()
	_, err := combined.do(t.Context(), "join", "a")
	require.NoError(t, err)

	proxy.Stall()
	calls := map[string]func(ctx context.Context) error{
		"combined": func(ctx context.Context) error {
			_, err := combined.do(ctx, "join", "a")
			return err
		},
		"alone": func(ctx context.Context) error {
			_, err := await(ctx, func(ctx context.Context) (any, error) {
				return program.run(ctx, client, keys, "join", 1, "a")
			})
			return err
		},
	}
	var group sync.WaitGroup
	for range 2 * fewestBatches { // some in flight, some queued
		for name, call := range calls {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				start := time.Now()
				err := call(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded, name)
				require.Less(t, time.Since(start), 150*time.Millisecond, name)
			})
		}
	}
	group.Wait()
	proxy.Resume()
	_, err = combined.do(t.Context(), "join", "a")
	require.NoError(t, err, "the slots come back")
}

func TestNothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine stays
		server := redistest.Mini(t)
		client, names := server.Client(), newKeyspace("n")
		combined := newScriptCombiner(client, probeScript(), names.keys("lease"))
		woken := newWaker(client, names, newWakeAddress(false, false))
		_, stop := woken.wait("a")
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				_, err := combined.do(t.Context(), "add", "count", strconv.Itoa(i))
				require.NoError(t, err)
			})
		}
		group.Wait()
		require.Equal(t, "100", client.Get(t.Context(), names.key("count")).Val())
		stop()
		woken.close()
		combined.close()
	})
}
