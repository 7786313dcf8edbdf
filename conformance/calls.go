package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// callCases: what a call does with the store's answers, and with calls beside it.
var callCases = []testCase{
	{"Call/GrantOfAClientsPlace", "a grant for a place with a QueueTTL is told and kept, even if the call's context has ended", func(h *harness) {
		ctx, cancel := context.WithCancel(h.Context())
		m := h.manage(cancelling{h.fixture.Open(h.TB), cancel}, nil)
		l, err := m.TryAcquire(ctx, h.placed("a", 100))
		require.NoError(h, err)
		h.settle()
		require.Equal(h, lease.Active, h.get(l.ID).Status)
	}},
	{"Call/GrantThatReplaced", "a grant that has replaced a lease is told and kept, even if the call's context has ended and the store is out of reach", func(h *harness) {
		old := h.hold("a", lease.Paths("f"))
		ctx, cancel := context.WithCancel(h.Context())
		faults := NewFaults(h.fixture.Open(h.TB), FaultOptions{Ops: []Op{OpWithdraw}, Faults: []Fault{Stall}, Rate: 1})
		m := h.manage(cancelling{faults, cancel}, nil)
		r := h.request("a", lease.Paths("f"))
		r.Replace = old.Ref()
		l, err := m.TryAcquire(ctx, r)
		require.NoError(h, err)
		h.settle()
		require.Equal(h, lease.Active, h.get(l.ID).Status)
	}},
	{"Call/TimeoutTellsOfNow", "a wait that times out tells who is in the way then, and not who was at first", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(9) })
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.Timeout = h.units(10)
		w := h.wait(h.M, r)
		h.sleep(5) // it has asked again
		h.succeed(held, "heir")
		err := w.failed(lease.ErrTimeout)
		var conflict *lease.ConflictError
		require.ErrorAs(h, err, &conflict)
		require.Len(h, conflict.Blockers, 1)
		require.Equal(h, "heir", conflict.Blockers[0].Holder)
	}},
	{"Call/CancelledTellsAll", "a wait that is cancelled tells all that was in the way when it last asked for that", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(9) })
		for i := range 5 {
			h.hold(fmt.Sprint("reader", i), lease.SharedPaths("f"))
		}
		for i := range 5 {
			h.queue(fmt.Sprint("writer", i), lease.Paths("f"))
		}
		w := h.queue("b", lease.Paths("f"))
		h.sleep(5) // it has asked again
		w.cancel()
		err := w.failed(context.Canceled)
		var conflict *lease.ConflictError
		require.ErrorAs(h, err, &conflict)
		require.Equal(h, 10, conflict.Count)
		require.Len(h, conflict.Blockers, 10)
	}},
	{"Call/ReleaseGoesOn", "a release whose context's deadline is over before the store answers goes on in the background", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		l := h.hold("a", lease.Paths("f"))
		faults.Next(OpRelease, Stall)
		ctx, cancel := context.WithTimeout(h.Context(), h.units(1))
		defer cancel()
		require.ErrorIs(h, m.Release(ctx, l.Ref()), lease.ErrUnavailable)
		h.eventually("it is released", func() bool { return h.get(l.ID).Status == lease.Released })
	}},
	{"Call/NoHints", "a wait on a store that gives no hints asks for itself, four times a second at least", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		m := h.manage(hintless{h.fixture.Open(h.TB)}, nil)
		w := h.wait(m, h.request("b", lease.Paths("f")))
		h.sleep(6)
		h.release(held)
		w.soon()
	}},
	{"Call/CopiesForTheStore", "what the store is handed is not what the caller goes on to change", func(h *harness) {
		s := &watched{Store: h.fixture.Open(h.TB)}
		r := h.request("a", lease.Paths("f"))
		r.Labels = map[string]string{"branch": "main"}
		h.acquire(h.manage(s, nil), r)
		r.Labels["branch"], r.Claims[0].Path = "other", "g"
		handed := s.last().Request
		require.Equal(h, map[string]string{"branch": "main"}, handed.Labels)
		require.Equal(h, lease.Paths("f"), handed.Claims)
	}},
	{"Call/LatestMoment", "an ask may be decided for less long than ends and withdrawals are remembered, however long its caller waits", func(h *harness) {
		s := &watched{Store: h.fixture.Open(h.TB)}
		m := h.manage(s, nil)
		for _, patience := range []time.Duration{0, time.Hour} {
			ctx := h.Context()
			if patience > 0 {
				longer, cancel := context.WithTimeout(ctx, patience)
				defer cancel()
				ctx = longer
			}
			_, err := m.TryAcquire(ctx, h.request("a", lease.Paths(fmt.Sprint("f", patience))))
			require.NoError(h, err)
			require.False(h, s.last().NotAfter.IsZero())
			require.Less(h, s.last().NotAfter.Sub(h.stats().Now), lease.MinEndedRetention-time.Second)
		}
	}},
	{"Call/SameIDOneCancelled", "of two calls for one ID of one process one is cancelled: the other goes on waiting, and keeps the lease it gets", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.ID = "one"
		leaves, stays := h.wait(h.M, r), h.wait(h.M, r)
		leaves.cancel()
		leaves.failed(context.Canceled)
		h.sleep(1)
		require.Equal(h, lease.Pending, h.get("one").Status)
		stays.stillWaits()
		h.release(held)
		stays.granted()
		h.settle()
		require.Equal(h, lease.Active, h.get("one").Status)
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindGranted}, h.kinds("one"))
	}},
	{"Call/SameIDOneGranted", "of two calls for one ID of one process one is granted and the other is cancelled after it: the lease goes on", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		faults, m := h.faulty(FaultOptions{})
		r := h.request("b", lease.Paths("f"))
		r.ID = "one"
		both := []*waiting{h.wait(m, r), h.wait(m, r)}
		faults.Next(OpAcquire, Pass, Stall)
		h.release(held)
		h.eventually("one is granted", func() bool { return both[0].over() || both[1].over() })
		if both[0].over() {
			both[0], both[1] = both[1], both[0]
		}
		both[1].granted()
		both[0].stillWaits()
		both[0].cancel()
		both[0].failed(context.Canceled)
		h.settle()
		require.Equal(h, lease.Active, h.get("one").Status)
	}},
	{"Call/EndedContext", "an error of a call whose context has ended is that context's error and its cause, whatever the store says", func(h *harness) {
		cause := errors.New("went home")
		ctx, cancel := context.WithCancelCause(h.Context())
		m := h.manage(failing{h.fixture.Open(h.TB), func() { cancel(cause) }}, nil)
		_, err := m.Stats(ctx)
		require.ErrorIs(h, err, lease.ErrUnavailable)
		require.ErrorIs(h, err, ErrInjected)
		require.ErrorIs(h, err, context.Canceled)
		require.ErrorIs(h, err, cause)
	}},
	{"Call/HistoryEndsAtTheHead", "a history ends with what was the newest event when it began", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		head := h.stats().Head
		m := h.manage(changing{h.fixture.Open(h.TB), func() { h.hold("a", lease.Paths("g")) }}, nil)
		var seen []lease.Seq
		for e, err := range m.History(h.Context(), lease.Query{}) {
			require.NoError(h, err)
			seen = append(seen, e.Seq)
		}
		require.Equal(h, []lease.Seq{head}, seen)
	}},
	{"Call/WatchGoesOn", "a watch goes on where it was once the store is in reach again", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		faults.Next(OpEvents, Pass, Fail, DropReply, Fail)
		ctx, cancel := context.WithCancel(h.Context())
		defer cancel()
		seen := make(chan lease.Event, 10)
		failed := make(chan error, 1)
		go func() {
			for e, err := range m.Watch(ctx, lease.Query{All: true}) {
				if err != nil {
					failed <- err
					return
				}
				seen <- e
			}
		}()
		for _, path := range []string{"f", "g", "h"} {
			l := h.hold("a", lease.Paths(path))
			select {
			case e := <-seen:
				require.Equal(h, l.ID, e.Lease.ID)
			case err := <-failed:
				h.Fatalf("the watch has ended: %v", err)
			case <-time.After(10 * h.patience()):
				h.Fatal("the watch shows nothing more")
			}
		}
		cancel()
		require.ErrorIs(h, <-failed, context.Canceled)
		require.Empty(h, seen)
	}},
	{"Call/LabelsTogether", "all labels of a request together are within the limit, and not each by itself", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.Labels = map[string]string{
			"1": strings.Repeat("v", lease.MaxLabelsBytes/2-1), "2": strings.Repeat("v", lease.MaxLabelsBytes/2-1),
		}
		beyond := maps.Clone(r.Labels)
		beyond["3"] = ""
		l := h.acquire(h.M, r)
		require.Equal(h, r.Labels, l.Labels)
		r.Labels = beyond
		_, err := h.M.TryAcquire(h.Context(), r)
		h.invalid(err, "labels")
	}},
	{"Call/LimitOfForce", "ForceRelease ends as many as its Limit, also if that takes several steps", func(h *harness) {
		const many = 260 // more than two steps end
		for i := range many {
			h.hold("a", lease.Paths(fmt.Sprint("f", i)))
		}
		for _, limit := range []int{many - 30, 20, many} {
			before := h.stats().Active
			ended, err := h.M.ForceRelease(h.Context(), lease.Query{Holder: "a", Limit: limit}, lease.Revocation{Actor: "root"})
			require.NoError(h, err)
			require.Len(h, ended, min(limit, before))
			require.Equal(h, before-len(ended), h.stats().Active)
		}
	}},
}

// hintless is a store that gives no hints.
type hintless struct{ backend.Store }

func (hintless) Subscribe(lease.ID) (hint <-chan struct{}, stop func()) { return nil, func() {} }

// watched is a store that keeps the last ask.
type watched struct {
	backend.Store
	mu  sync.Mutex
	ask backend.AcquireArgs
}

func (w *watched) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	w.mu.Lock()
	w.ask = a
	w.mu.Unlock()
	return w.Store.Acquire(ctx, a)
}

func (w *watched) last() backend.AcquireArgs {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ask
}

// failing is a store whose Stats does something and then fails.
type failing struct {
	backend.Store
	first func()
}

func (f failing) Stats(context.Context) (lease.Stats, error) {
	f.first()
	return lease.Stats{}, ErrInjected
}

// changing is a store in which something happens after its Stats.
type changing struct {
	backend.Store
	then func()
}

func (c changing) Stats(ctx context.Context) (lease.Stats, error) {
	s, err := c.Store.Stats(ctx)
	c.then()
	return s, err
}
