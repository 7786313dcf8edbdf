package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/everycall"
	"github.com/leasekit/leasekit/lease"
)

// cancelCases: a call that is given up leaves nothing behind. In virtual time a
// goroutine that is left fails the case too.
var cancelCases = []testCase{
	{"Cancel/EndedBefore", "with a context that has already ended nothing is sent", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		cause := errors.New("went home")
		ctx, cancel := context.WithCancelCause(h.Context())
		cancel(cause)
		for _, acquire := range []func(context.Context, lease.Request) (lease.Lease, error){m.TryAcquire, m.Acquire} {
			_, err := acquire(ctx, h.request("a", lease.Paths("f")))
			require.ErrorIs(h, err, context.Canceled)
			require.ErrorIs(h, err, cause)
		}
		require.Zero(h, faults.Calls(OpAcquire))
		h.counts(0, 0)
	}},
	{"Cancel/WhileWaiting", "cancelling a wait ends it at once with the context's error and cause, and leaves nobody in line", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		cause := errors.New("went home")
		ctx, cancel := context.WithCancelCause(h.Context())
		done := make(chan error, 1)
		r := h.request("b", lease.Paths("f"))
		r.ID = "one"
		go func() {
			_, err := h.M.Acquire(ctx, r)
			done <- err
		}()
		h.eventually("it waits", func() bool { l, err := h.M.Get(h.Context(), "one"); return err == nil && l.Status == lease.Pending })
		start := time.Now()
		cancel(cause)
		err := <-done
		require.Less(h, time.Since(start), h.patience())
		require.ErrorIs(h, err, context.Canceled)
		require.ErrorIs(h, err, cause)
		require.NotErrorIs(h, err, lease.ErrTimeout)
		h.eventually("nobody is in line", func() bool { return h.get("one").EndReason == lease.EndCancelled })
		h.counts(1, 0)
	}},
	{"Cancel/Deadline", "the deadline of a context is that context's error, and not the request's Timeout", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		ctx, cancel := context.WithTimeout(h.Context(), h.units(2))
		defer cancel()
		_, err := h.M.Acquire(ctx, h.request("b", lease.Paths("f")))
		require.ErrorIs(h, err, context.DeadlineExceeded)
		require.NotErrorIs(h, err, lease.ErrTimeout)
		h.eventually("nobody is in line", func() bool { s, err := h.M.Stats(h.Context()); return err == nil && s.Pending == 0 })
	}},
	{"Cancel/NextInLine", "when a wait is cancelled the next in line takes its place", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		first, second := h.queue("b", lease.Paths("f")), h.queue("c", lease.Paths("f"))
		first.cancel()
		first.failed(context.Canceled)
		h.release(held)
		second.soon()
	}},
	{"Cancel/RacesAGrant", "a grant that a cancelled call can no longer take is given back", func(h *harness) {
		for _, call := range []string{"try", "wait"} {
			faults, m := h.faulty(FaultOptions{Delay: h.units(30)})
			faults.Next(OpAcquire, Late) // granted at once, told too late
			acquire := m.Acquire
			if call == "try" {
				acquire = m.TryAcquire
			}
			ctx, cancel := context.WithCancel(h.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				_, err := acquire(ctx, h.request(call, lease.Paths("f")))
				done <- err
			}()
			h.eventually("it is granted", func() bool { s, err := h.M.Stats(h.Context()); return err == nil && s.Active == 1 })
			cancel()
			require.ErrorIs(h, <-done, context.Canceled, call)
			h.eventually("the path is free", func() bool { s, err := h.M.Stats(h.Context()); return err == nil && s.Active == 0 })
		}
		h.hold("b", lease.Paths("f"))
	}},
	{"Cancel/GrantComesTooLate", "the same if the grant is told, but to a call whose context has ended", func(h *harness) {
		for _, call := range []string{"try", "wait"} {
			ctx, cancel := context.WithCancel(h.Context())
			m := h.manage(cancelling{h.fixture.Open(h.TB), cancel}, nil)
			acquire := m.Acquire
			if call == "try" {
				acquire = m.TryAcquire
			}
			r := h.request("a", lease.Paths("f"))
			r.ID = lease.ID(call)
			_, err := acquire(ctx, r)
			require.ErrorIs(h, err, context.Canceled, call)
			h.eventually("it is given back", func() bool { return h.get(r.ID).EndReason == lease.EndCancelled })
		}
		h.hold("b", lease.Paths("f"))
	}},
	{"Cancel/RacesAHandover", "the same for a waiter that is cancelled while its grant is on its way, and the next in line gets the path", func(h *harness) {
		faults, m := h.faulty(FaultOptions{Delay: h.units(30)})
		held := h.hold("a", lease.Paths("f"))
		w := h.wait(m, h.request("b", lease.Paths("f")))
		next := h.queue("c", lease.Paths("f"))
		faults.Next(OpAcquire, Late)
		h.release(held)
		h.eventually("it is granted", func() bool { return h.get(w.ID).Status == lease.Active })
		w.cancel()
		w.returns()
		w.failed(context.Canceled)
		next.soon()
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindGranted, lease.KindWithdrawn}, h.kinds(w.ID))
	}},
	{"Cancel/StalledStore", "a call returns when its context ends even if the store does not answer", func(h *harness) {
		for _, name := range []string{"try", "wait"} {
			faults, m := h.faulty(FaultOptions{})
			faults.Next(OpAcquire, Stall)
			acquire := m.Acquire
			if name == "try" {
				acquire = m.TryAcquire
			}
			ctx, cancel := context.WithTimeout(h.Context(), h.units(1))
			defer cancel()
			start := time.Now()
			_, err := acquire(ctx, h.request("a", lease.Paths("f")))
			require.ErrorIs(h, err, context.DeadlineExceeded)
			require.ErrorIs(h, err, lease.ErrUnavailable)
			require.Less(h, time.Since(start), h.units(1)+h.patience()/6)
		}
	}},
	{"Cancel/LeaseOutlivesItsContext", "cancelling the context that a lease was acquired with, once it is granted, ends nothing", func(h *harness) {
		ctx, cancel := context.WithCancel(h.Context())
		l, err := h.M.Acquire(ctx, h.request("a", lease.Paths("f")))
		require.NoError(h, err)
		cancel()
		h.settle()
		require.True(h, l.Valid())
		_, err = h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
	}},
	{"Cancel/Many", "whatever moments calls are cancelled at, no lease and no waiter is left", manyCancels},
	{"Close/WakesWaiters", "closing a handle ends its waiting calls with ErrClosed, and leaves nobody in line", func(h *harness) {
		h.hold("a", lease.SharedPaths("f"))
		m := h.open()
		one, other := h.wait(m, h.request("b", lease.Paths("f"))), h.wait(m, h.request("c", lease.Paths("f")))
		reader := h.queue("r", lease.SharedPaths("f"))
		require.NoError(h, m.Close())
		one.failed(lease.ErrClosed)
		other.failed(lease.ErrClosed)
		reader.soon()
		h.counts(2, 0)
	}},
	{"Close/KeepsLeases", "closing a handle ends no lease: any other handle may go on with it", func(h *harness) {
		m := h.open()
		l := h.acquire(m, h.request("a", lease.Paths("f")))
		require.NoError(h, m.Close())
		h.denied("b", lease.Paths("f"))
		_, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		h.release(l)
	}},
	{"Close/Twice", "closing again is harmless", func(h *harness) {
		m := h.open()
		require.NoError(h, m.Close())
		require.NoError(h, m.Close())
	}},
	{"Close/RefusesCalls", "after Close every call is ErrClosed", refusesCalls},
}

// cancelling is a store that answers an ask when the caller's context has just
// ended.
type cancelling struct {
	backend.Store
	cancel context.CancelFunc
}

func (c cancelling) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	reply, err := c.Store.Acquire(context.WithoutCancel(ctx), a)
	c.cancel()
	return reply, err
}

// faulty returns a Manager on another handle whose calls the case can spoil. It
// already knows the configuration, so that the next call is the case's.
func (h *harness) faulty(o FaultOptions) (*Faults, lease.Manager) {
	h.Helper()
	rate := o.Rate
	o.Rate = 0
	faults := NewFaults(h.fixture.Open(h.TB), o)
	m := h.manage(faults, nil)
	_, err := m.Config(h.Context())
	require.NoError(h, err)
	faults.SetRate(rate)
	return faults, m
}

// manyCancels lets holders on two handles fight for a few paths, impatiently.
func manyCancels(h *harness) {
	const seed = 7
	managers := []lease.Manager{h.M, h.open()}
	paths := []string{"d", "d/x", "d/y", "e"}
	var all sync.WaitGroup
	for i := range 6 {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		all.Go(func() {
			for range h.rounds(30) {
				ctx, cancel := context.WithTimeout(h.Context(), time.Duration(random.Int64N(int64(h.Unit))))
				claims := lease.Paths(paths[random.IntN(len(paths))], paths[random.IntN(len(paths))])
				if random.IntN(2) == 0 {
					claims[0].Scope = lease.Tree
				}
				m := managers[random.IntN(len(managers))]
				l, err := m.Acquire(ctx, h.request(fmt.Sprint("h", i), claims))
				if err == nil {
					h.pass(time.Duration(random.Int64N(int64(h.Unit) / 4)))
					err = m.Release(ctx, l.Ref())
				}
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					h.Errorf("seed %d: %v", seed, err)
					return
				}
			}
		})
	}
	all.Wait()
	h.eventually("nothing is left", func() bool {
		s, err := h.M.Stats(h.Context())
		return err == nil && s.Active+s.Pending == 0
	})
}

func refusesCalls(h *harness) {
	m := h.open()
	l := h.acquire(m, h.request("a", lease.Paths("f")))
	require.NoError(h, m.Close())
	for name, call := range everycall.Of(m, h.request("a", lease.Paths("g")), l.Ref()) {
		require.ErrorIs(h, call(h.Context()), lease.ErrClosed, name)
	}
	require.Equal(h, lease.Active, h.get(l.ID).Status)
}
