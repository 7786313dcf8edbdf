package conformance

import (
	"context"
	"errors"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// watchCases: following a history.
var watchCases = []testCase{
	{"Watch/Follows", "a watch yields what there is, and then what comes, in order", func(h *harness) {
		h.release(h.hold("a", lease.Paths("f")))
		w := h.watch(h.M, lease.Query{})
		w.sees(2)
		h.release(h.hold("b", lease.Paths("f")))
		w.sees(4)
		require.Equal(h, h.events(lease.Query{}), w.seen())
	}},
	{"Watch/Now", "a watch from now yields only what comes", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		w := h.watch(h.M, lease.Query{After: lease.Now})
		h.began(w)
		l := h.hold("b", lease.Paths("g"))
		w.sees(1)
		require.Equal(h, l.ID, w.seen()[0].Lease.ID)
	}},
	{"Watch/NowOfNothing", "a watch from now of a namespace without events yields the first one", func(h *harness) {
		w := h.watch(h.M, lease.Query{After: lease.Now})
		h.began(w)
		h.hold("a", lease.Paths("f"))
		w.sees(1)
	}},
	{"Watch/OtherHandle", "a watch sees what other handles do", func(h *harness) {
		w := h.watch(h.open(), lease.Query{})
		for i := range 5 {
			h.release(h.hold("a", lease.Paths("f")))
			w.sees(2 * (i + 1))
		}
	}},
	{"Watch/Resumes", "a watch that goes on after the last event it saw misses none and repeats none", func(h *harness) {
		var seen []lease.Event
		for range 4 {
			var after lease.Seq
			if len(seen) > 0 {
				after = seen[len(seen)-1].Seq
			}
			h.release(h.hold("a", lease.Paths("f")))
			for e, err := range h.M.Watch(h.Context(), lease.Query{After: after}) {
				require.NoError(h, err)
				seen = append(seen, e)
				if len(seen)%2 == 1 { // one is left over for the next one
					break
				}
			}
		}
		h.hold("a", lease.Paths("f"))
		for e, err := range h.M.Watch(h.Context(), lease.Query{After: seen[len(seen)-1].Seq}) {
			require.NoError(h, err)
			if seen = append(seen, e); len(seen) == 9 {
				break
			}
		}
		require.Equal(h, h.events(lease.Query{}), seen)
	}},
	{"Watch/FromStats", "Stats, then List, then Watch from the head of the Stats follows the state without a gap", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		gone := h.hold("b", lease.Paths("g"))
		head := h.stats().Head
		h.release(gone)
		late := h.hold("c", lease.Paths("h"))
		state := map[lease.ID]bool{}
		for _, l := range collect(h, h.M.List(h.Context(), lease.Query{})) {
			state[l.ID] = true
		}
		w := h.watch(h.M, lease.Query{After: head})
		later := h.hold("d", lease.Paths("i"))
		h.release(late)
		w.sees(4)
		for _, e := range w.seen() {
			state[e.Lease.ID] = e.Kind == lease.KindGranted
		}
		want := map[lease.ID]bool{gone.ID: false, late.ID: false, later.ID: true}
		for _, l := range collect(h, h.M.List(h.Context(), lease.Query{})) {
			want[l.ID] = true
		}
		require.Equal(h, want, state)
	}},
	{"Watch/Filters", "a watch yields only what its query selects, and is not held up by the rest", func(h *harness) {
		w := h.watch(h.M, lease.Query{Under: "d", Kinds: []lease.Kind{lease.KindReleased}})
		for range 3 {
			h.release(h.hold("a", lease.Paths("f")))
		}
		l := h.hold("b", lease.Paths("d/e"))
		h.release(l)
		w.sees(1)
		require.Equal(h, l.ID, w.seen()[0].Lease.ID)
	}},
	{"Watch/Limit", "a watch ends after as many events as its query asks for", func(h *harness) {
		w := h.watch(h.M, lease.Query{Limit: 3})
		for range 2 {
			h.release(h.hold("a", lease.Paths("f")))
		}
		require.NoError(h, w.ends())
		require.Len(h, w.seen(), 3)
	}},
	{"Watch/ContextEnds", "a watch ends with its context, whose error it yields last", func(h *harness) {
		w := h.watch(h.M, lease.Query{})
		h.hold("a", lease.Paths("f"))
		w.sees(1)
		w.cancel()
		require.ErrorIs(h, w.ends(), context.Canceled)
	}},
	{"Watch/Closed", "a watch ends when its Manager is closed", func(h *harness) {
		m := h.open()
		w := h.watch(m, lease.Query{})
		h.began(w)
		require.NoError(h, m.Close())
		require.ErrorIs(h, w.ends(), lease.ErrClosed)
	}},
	{"Watch/Trimmed", "a watch that fell behind what is kept is told so", func(h *harness) {
		h.trim()
		h.trimmed(h.watch(h.M, lease.Query{After: 1}).ends(), h.stats().Oldest)
	}},
	{"Watch/BeyondTheHead", "a watch from beyond the newest event begins there: a restored store is not waited for", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		w := h.watch(h.M, lease.Query{After: h.stats().Head + 1000})
		h.began(w)
		l := h.hold("b", lease.Paths("g"))
		w.sees(1)
		require.Equal(h, l.ID, w.seen()[0].Lease.ID)
	}},
	{"Watch/Unavailable", "a watch outlives a store that is out of reach for a while, and misses nothing", func(h *harness) {
		f := NewFaults(h.fixture.Open(h.TB), FaultOptions{})
		f.Next(OpEvents, Pass, Fail, DropReply, Fail, Pass, DropReply)
		w := h.watch(h.manage(f, nil), lease.Query{})
		for range 3 {
			h.release(h.hold("a", lease.Paths("f")))
		}
		w.sees(6)
		require.Equal(h, h.events(lease.Query{}), w.seen())
	}},
	{"Watch/TokensMasked", "a watch shows tokens only to who asks for all, for a holder or for an ID", func(h *harness) {
		masked, shown := h.watch(h.M, lease.Query{}), h.watch(h.M, lease.Query{Holder: "a"})
		l := h.hold("a", lease.Paths("f"))
		masked.sees(1)
		shown.sees(1)
		require.Zero(h, masked.seen()[0].Lease.Token)
		require.Equal(h, l.Token, shown.seen()[0].Lease.Token)
	}},
}

// watching is a watch that goes on in the background.
type watching struct {
	h      *harness
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	events []lease.Event
	err    error
}

// watch follows in the background what a query selects.
func (h *harness) watch(m lease.Inspector, q lease.Query) *watching {
	ctx, cancel := context.WithCancel(h.Context())
	w := &watching{h: h, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for e, err := range m.Watch(ctx, q) {
			w.mu.Lock()
			if err != nil {
				w.err = errors.Join(w.err, err)
			} else {
				w.events = append(w.events, e)
			}
			w.mu.Unlock()
		}
	}()
	h.Cleanup(func() { cancel(); <-w.done })
	return w
}

// began waits until a watch that yields nothing yet has surely begun.
func (h *harness) began(w *watching) {
	h.settle()
	require.Empty(h, w.seen())
}

func (w *watching) seen() []lease.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[:len(w.events):len(w.events)]
}

// sees requires that the watch now has yielded so many events.
func (w *watching) sees(n int) {
	w.h.Helper()
	w.h.eventually("the watch has yielded all", func() bool { return len(w.seen()) >= n })
	require.Len(w.h, w.seen(), n)
}

// ends requires that the watch ends now, and returns the error that it yielded.
func (w *watching) ends() error {
	w.h.Helper()
	w.h.eventually("the watch has ended", func() bool {
		select {
		case <-w.done:
			return true
		default:
			return false
		}
	})
	return w.err
}
