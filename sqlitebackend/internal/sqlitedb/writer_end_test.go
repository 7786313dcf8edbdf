package sqlitedb

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func TestWriterContext(t *testing.T) {
	d, w := newCounters(t, Hooks{})

	// Before it starts an operation can be withdrawn, and then never starts.
	release := holdTurn(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- w.Do(ctx, Call{}, increment("withdrawn")) }()
	waitQueued(w, 1)
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	waitQueued(w, 0)
	release()
	require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))
	require.Zero(t, value(t, d, "withdrawn"))

	// Once it has started, its caller gets the outcome, and no statement hears
	// of the context.
	ctx, cancel = context.WithCancel(t.Context())
	require.NoError(t, w.Do(ctx, Call{}, func(b *Batch) error {
		cancel()
		return increment("started")(b)
	}))
	require.Equal(t, 1, value(t, d, "started"))
}

func TestWriterClose(t *testing.T) {
	d, w := newCounters(t, Hooks{})
	started, proceed := make(chan struct{}), make(chan struct{})
	running, closed := make(chan error), make(chan error)
	go func() {
		running <- w.Do(context.Background(), Call{}, func(b *Batch) error {
			close(started)
			<-proceed
			return increment("running")(b)
		})
	}()
	<-started
	go func() { closed <- w.Close() }()
	<-w.queue.Closing().Done()
	require.ErrorIs(t, w.Do(t.Context(), Call{}, increment("late")), lease.ErrClosed)
	close(proceed)
	require.NoError(t, <-running, "what runs is finished")
	require.NoError(t, <-closed)
	require.NoError(t, w.Close(), "again")
	require.Equal(t, 1, value(t, d, "running"))
	require.Zero(t, value(t, d, "late"))
	_, err := w.Changed(t.Context())
	require.ErrorIs(t, err, lease.ErrClosed)
}

func TestWriterCloseAnswersWhatIsQueued(t *testing.T) {
	d, w := newCounters(t, Hooks{})
	release := holdTurn(t, w)
	result, closed := make(chan error), make(chan error)
	go func() { result <- w.Do(context.Background(), Call{}, increment("a")) }()
	waitQueued(w, 1)
	go func() { closed <- w.Close() }()
	require.ErrorIs(t, <-result, lease.ErrClosed)
	release()
	require.NoError(t, <-closed)
	require.Zero(t, value(t, d, "a"))
}

// Many callers with short deadlines: whoever is told nil is in the file, who
// is told of the deadline is not.
func TestWriterDeadlineStorm(t *testing.T) {
	d, w := newCounters(t, Hooks{})
	var committed [16]int
	var running sync.WaitGroup
	for g := range committed {
		running.Go(func() {
			for i := range 100 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%10)*100*time.Microsecond)
				switch err := w.Do(ctx, Call{}, increment(strconv.Itoa(g))); {
				case err == nil:
					committed[g]++
				case !errors.Is(err, context.DeadlineExceeded):
					t.Error(err)
				}
				cancel()
			}
		})
	}
	running.Wait()
	for g, n := range committed {
		require.Equal(t, n, value(t, d, strconv.Itoa(g)))
	}
}
