package view_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

func TestStreamTellsWhatHappens(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		h := handler(t, m, view.Options{Title: "Test", Allow: anybody})
		acquire(t, m, "early", lease.Paths("before"))
		v := watch(t, h, "")
		first := v.next()
		require.Equal(t, "Test", first.Title)
		require.Equal(t, []string{"force-release", "set-config"}, first.May)
		require.Empty(t, first.Events, "what was before is in the answers to other requests")
		require.WithinDuration(t, time.Now(), first.Now, time.Minute)

		l := acquire(t, m, "ann", lease.Paths("a"))
		m1 := v.next()
		require.Equal(t, lease.KindGranted, m1.Events[0].Kind)
		require.Equal(t, l.ID, m1.Events[0].ID)
		require.Greater(t, m1.Version, first.Version)
		require.GreaterOrEqual(t, now(t, h, "").Version, m1.Version)
		_, _ = wait(t, m, "bob", lease.Paths("a"))
		require.NoError(t, m.Release(t.Context(), l.Ref()))
		require.Equal(t, []lease.Kind{lease.KindQueued, lease.KindReleased}, v.events(2))
	})
}

func TestStreamResumesWithoutAGap(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		h := handler(t, m, view.Options{})
		v := watch(t, h, "")
		v.next()
		acquire(t, m, "ann", lease.Paths("a"))
		v.events(1)
		v.leave()

		for i := range 20 {
			acquire(t, m, "ann", lease.Paths(fmt.Sprintf("missed/%d", i)))
		}
		for _, again := range []http.Handler{h, handler(t, m, view.Options{})} { // the same server, and one that was restarted
			back := watch(t, again, v.after)
			seen := map[string]bool{}
			for len(seen) < 20 {
				message := back.next()
				require.False(t, message.Gap)
				for _, e := range message.Events {
					require.False(t, seen[fmt.Sprint(e.Seq)], "twice")
					seen[fmt.Sprint(e.Seq)] = true
				}
			}
			back.leave()
		}
	})
}

func TestStreamSaysWhatItDoesNotKnow(t *testing.T) {
	m := memory.New(nil)
	defer m.Close()
	h := handler(t, m, view.Options{})
	require.True(t, watch(t, h, "999999999").next().Gap, "a place beyond the head: another store")

	c, err := m.Config(t.Context())
	require.NoError(t, err)
	for i := range 20 {
		acquire(t, m, "ann", lease.Paths(fmt.Sprint(i)))
	}
	c.HistoryMaxEvents = 5
	_, err = m.SetConfig(t.Context(), c)
	require.NoError(t, err)
	_, err = m.Sweep(t.Context())
	require.NoError(t, err)
	require.True(t, watch(t, handler(t, m, view.Options{}), "1").next().Gap, "trimmed")
}

func TestAThousandViewersOneWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &counter{Manager: memory.New(nil)}
		defer m.Close()
		h := handler(t, m, view.Options{Linger: time.Second})
		const viewers = 1000
		var all sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		var messages atomic.Int64
		for range viewers {
			all.Go(func() {
				w := &countingWriter{header: http.Header{}, messages: &messages}
				h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/stream", http.NoBody))
			})
		}
		synctest.Wait()
		require.EqualValues(t, viewers, messages.Load())
		for i := range 10 {
			acquire(t, m, "ann", lease.Paths(fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		require.GreaterOrEqual(t, messages.Load(), int64(11*viewers))
		require.Equal(t, 1, m.of("watch"))
		require.Equal(t, 1, m.of("list"))
		require.LessOrEqual(t, m.of("stats"), 10, "one each two seconds, not one for each viewer")

		stop()
		all.Wait()
		require.Zero(t, m.of("unwatch"), "it lingers")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, m.of("unwatch"), "the last has left")

		require.Equal(t, 10, now(t, h, "").Active, "and begins again")
		require.Equal(t, 2, m.of("list"))
	})
}

type countingWriter struct {
	header   http.Header
	messages *atomic.Int64
}

func (c *countingWriter) Header() http.Header         { return c.header }
func (c *countingWriter) WriteHeader(int)             {}
func (c *countingWriter) Write(b []byte) (int, error) { c.messages.Add(1); return len(b), nil }
func (c *countingWriter) Flush()                      {}

// slowWriter is a viewer that stops reading: writes to it wait for the deadline.
type slowWriter struct {
	countingWriter
	deadline time.Time
	slow     atomic.Bool
}

func (s *slowWriter) SetWriteDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *slowWriter) Write(b []byte) (int, error) {
	if s.slow.Load() {
		time.Sleep(time.Until(s.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	return s.countingWriter.Write(b)
}

func TestSlowViewersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New(nil)
		defer m.Close()
		h := handler(t, m, view.Options{})
		var messages atomic.Int64
		w := &slowWriter{countingWriter: countingWriter{header: http.Header{}, messages: &messages}}
		dropped := make(chan struct{})
		go func() {
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/stream", http.NoBody))
			close(dropped)
		}()
		v := watch(t, h, "")
		v.next()
		synctest.Wait()
		w.slow.Store(true)
		began := time.Now()
		acquire(t, m, "ann", lease.Paths("a"))
		v.events(1) // others are not kept waiting
		require.Less(t, time.Since(began), time.Second)
		<-dropped
		require.LessOrEqual(t, time.Since(began), 20*time.Second)
	})
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New(nil)
		defer m.Close()
		h := handler(t, m, view.Options{Heartbeat: 3 * time.Second})
		v := watch(t, h, "")
		first := v.next()
		second := v.next()
		require.InDelta(t, 3, second.Now.Sub(first.Now).Seconds(), 1.1)
		require.Equal(t, first.Version, second.Version)
	})
}

// The end of the context ends streams and the watch, as a server that shuts
// down needs it.
func TestContextEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &counter{Manager: memory.New(nil)}
		defer m.Close()
		ctx, cancel := context.WithCancel(t.Context())
		h := handler(t, m, view.Options{Context: ctx})
		ended := make(chan struct{})
		go func() {
			var n atomic.Int64
			h.ServeHTTP(&countingWriter{header: http.Header{}, messages: &n}, httptest.NewRequest(http.MethodGet, "/api/stream", http.NoBody))
			close(ended)
		}()
		synctest.Wait()
		cancel()
		<-ended
		synctest.Wait()
		require.Equal(t, 1, m.of("unwatch"))
	})
}

func TestManagerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New(nil)
		h := handler(t, m, view.Options{})
		v := watch(t, h, "")
		v.next()
		require.NoError(t, m.Close())
		for range v.messages { // the last one may say why
		}
	})
}
