package conformance

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// How long a case may take by its own clock: a case that hangs ends with an
// error of its context and not with the test binary's timeout.
const (
	virtualLimit = 24 * time.Hour
	realLimit    = 5 * time.Minute
)

// harness is what a case works with.
type harness struct {
	testing.TB
	fixture Fixture
	ctx     context.Context
	gaps    bool // the case makes the history incomplete: it is not replayed
	handles []*handle

	M    lease.Manager // a first handle
	Unit time.Duration // the step in which cases count time: short, yet far above any clock's resolution
}

// newHarness returns the harness of one case; t fails it and cleans up.
func newHarness(t testing.TB, fixture Fixture) *harness {
	t.Helper()
	h := &harness{TB: t, fixture: fixture, Unit: 100 * time.Millisecond}
	limit := virtualLimit
	if fixture.RealTime {
		limit = realLimit
		h.Unit *= 2 // a busy machine is late
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	h.ctx = ctx
	h.M = h.open()
	return h
}

// Context returns the case's context, which ends with the case, or when it
// hangs.
func (h *harness) Context() context.Context { return h.ctx }

// store returns another handle on the store itself; it is closed at the end.
func (h *harness) store() backend.Store {
	s := h.fixture.Open(h.TB)
	h.closing(s)
	return s
}

// handle is a Manager or a store that is closed at the end, or before that when
// the store is reopened.
type handle struct {
	io.Closer
	closed bool
}

func (h *harness) closing(c io.Closer) {
	opened := &handle{Closer: c}
	h.handles = append(h.handles, opened)
	h.Cleanup(func() { h.close(opened) })
}

func (h *harness) close(opened *handle) {
	if !opened.closed {
		opened.closed = true
		require.NoError(h, opened.Close())
	}
}

// reopen closes all handles and opens the store again, as after the end of its
// process.
func (h *harness) reopen() {
	h.Helper()
	for _, opened := range h.handles {
		h.close(opened)
	}
	h.handles = nil
	h.fixture.Reopen(h.TB)
	h.M = h.open()
}

// open returns a Manager on another handle, as another process would have.
func (h *harness) open() lease.Manager {
	if h.fixture.manager == nil {
		return h.manage(h.fixture.Open(h.TB), nil)
	}
	m := h.fixture.manager(h.TB)
	h.closing(m)
	return m
}

// manage returns a Manager over a store, with options; it is closed at the end.
func (h *harness) manage(s backend.Store, o *backend.Options) lease.Manager {
	m := backend.New(s, o)
	h.closing(m)
	return m
}

// units returns n times the harness's unit of time.
func (h *harness) units(n int) time.Duration { return time.Duration(n) * h.Unit }

// sleep lets n units of time pass.
func (h *harness) sleep(n int) { h.pass(h.units(n)) }

// pass lets time pass.
func (h *harness) pass(d time.Duration) {
	h.Helper()
	select {
	case <-time.After(d):
	case <-h.ctx.Done():
		h.Fatal("the case did not come to an end")
	}
}

// settle waits until everything that was started has come to rest: in virtual
// time until every goroutine is blocked.
func (h *harness) settle() {
	if h.fixture.RealTime {
		h.pass(h.Unit / 4)
		return
	}
	synctest.Wait()
}

// acquire tries for the request and requires that it is granted at once.
func (h *harness) acquire(m lease.Acquirer, r lease.Request) lease.Lease {
	h.Helper()
	l, err := m.TryAcquire(h.Context(), r)
	require.NoError(h, err)
	require.Equal(h, lease.Active, l.Status)
	return l
}

// refused tries for the request and requires a conflict.
func (h *harness) refused(m lease.Acquirer, r lease.Request) *lease.ConflictError {
	h.Helper()
	_, err := m.TryAcquire(h.Context(), r)
	require.ErrorIs(h, err, lease.ErrConflict)
	var conflict *lease.ConflictError
	require.ErrorAs(h, err, &conflict)
	return conflict
}

// waiting is a call of Acquire that goes on in the background.
type waiting struct {
	h      *harness
	ID     lease.ID
	cancel context.CancelFunc
	done   chan struct{}
	lease  lease.Lease
	err    error
}

// wait starts Acquire in the background and returns once the request has its
// place in line (or is over).
func (h *harness) wait(m lease.Manager, r lease.Request) *waiting {
	h.Helper()
	if r.ID == "" {
		r.ID = lease.NewID()
	}
	ctx, cancel := context.WithCancel(h.Context())
	w := &waiting{h: h, ID: r.ID, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.lease, w.err = m.Acquire(ctx, r)
	}()
	h.Cleanup(func() { cancel(); <-w.done })
	h.settle()
	for h.fixture.RealTime && !w.over() && h.Context().Err() == nil {
		if l, err := m.Get(h.Context(), r.ID); err == nil && l.Status == lease.Pending {
			break
		}
		h.pass(h.Unit / 20)
	}
	return w
}

// over reports whether the call has returned.
func (w *waiting) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// stillWaits requires that the call has not returned.
func (w *waiting) stillWaits() {
	w.h.Helper()
	w.h.settle()
	if w.over() { // only then are its results there to be read
		w.h.Fatalf("Acquire returned: %v, %v", w.lease, w.err)
	}
}

// granted waits for the call to return and requires a lease.
func (w *waiting) granted() lease.Lease {
	w.h.Helper()
	<-w.done
	require.NoError(w.h, w.err)
	require.Equal(w.h, lease.Active, w.lease.Status)
	return w.lease
}

// failed waits for the call to return and requires this error.
func (w *waiting) failed(target error) error {
	w.h.Helper()
	<-w.done
	require.ErrorIs(w.h, w.err, target)
	return w.err
}
