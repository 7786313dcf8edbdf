// Package conformance is the contract of Leasekit as tests: [Run] checks that a
// store keeps every rule, with cases that have a name and say why they exist.
package conformance

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Fixture is a store to be checked, made afresh for each case. Fields may be
// added; the zero value of a new field keeps the old meaning.
type Fixture struct {
	// Open returns a handle on the fixture's store, as another process would
	// get one: the second call sees what the first one's handle did. The suite
	// closes every handle.
	Open func(testing.TB) backend.Store

	// RealTime says that the store's clock is outside the process (a real
	// Redis): cases then really wait, with short TTLs. Otherwise each case runs
	// in a testing/synctest bubble, in which an hour takes no time.
	RealTime bool

	// KnownFailures lists cases by name that this store fails, with the
	// reason. They must still fail.
	KnownFailures map[string]string
}

// testCase is one rule, checked.
type testCase struct {
	name string // "Acquire/FreePath"
	why  string // the rule, in one sentence, printed on failure
	run  func(h *harness)
}

// cases returns the whole suite.
func cases() []testCase {
	return slices.Concat(
		acquireCases,
	)
}

// Run checks the store that make makes, once for each case.
func Run(t *testing.T, make func(testing.TB) Fixture) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			runCase(t, c, make)
		})
	}
}

func runCase(t *testing.T, c testCase, make func(testing.TB) Fixture) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the rule: %s", c.why)
		}
	})
	fixture := make(t)
	body := func(t *testing.T) {
		h := &harness{T: t, fixture: fixture, Unit: 100 * time.Millisecond}
		h.M = h.open()
		c.run(h)
	}
	if fixture.RealTime {
		t.Parallel()
		body(t)
		return
	}
	synctest.Test(t, body)
}

// harness is what a case works with.
type harness struct {
	*testing.T
	fixture Fixture

	M    lease.Manager // a first handle
	Unit time.Duration // the step in which cases count time: short, yet far above any clock's resolution
}

// open returns a Manager on another handle, as another process would have.
func (h *harness) open() lease.Manager { return h.manage(h.fixture.Open(h.T), nil) }

// manage returns a Manager over a store, with options; it is closed at the end.
func (h *harness) manage(s backend.Store, o *backend.Options) lease.Manager {
	m := backend.New(s, o)
	h.Cleanup(func() { require.NoError(h, m.Close()) })
	return m
}

// units returns n times the harness's unit of time.
func (h *harness) units(n int) time.Duration { return time.Duration(n) * h.Unit }

// sleep lets n units of time pass.
func (h *harness) sleep(n int) { time.Sleep(h.units(n)) }

// settle waits until everything that was started has come to rest: in virtual
// time until every goroutine is blocked.
func (h *harness) settle() {
	if h.fixture.RealTime {
		time.Sleep(h.Unit / 4)
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
	for deadline := time.Now().Add(10 * time.Second); h.fixture.RealTime && time.Now().Before(deadline); time.Sleep(h.Unit / 20) {
		l, err := m.Get(h.Context(), r.ID)
		if w.over() || err == nil && l.Status == lease.Pending {
			break
		}
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
	require.False(w.h, w.over(), "Acquire returned: %v, %v", w.lease, w.err)
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
