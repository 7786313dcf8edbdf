package backend

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// What Close still lets go on, from when it begins.
const (
	callGrace  = 500 * time.Millisecond  // calls of the store
	closeGrace = time.Second             // Release, and the last try to withdraw what was abandoned
	closeBound = 1500 * time.Millisecond // what returns though its context has ended
)

// errShut is the cause with which contexts end because of Close.
var errShut = fmt.Errorf("%w before the store answered", lease.ErrClosed)

// engine is the lease.Manager over a Store. See the files: validate.go (normal
// form), config.go (the copy of the configuration), storeclock.go (an estimate of
// the store's clock), ask.go (one ask), acquire.go and wait.go (the loop around
// it), attempts.go and withdraw.go (taking back), hold.go (Renew and Release), tokens.go,
// list.go, watch.go, admin.go, sweep.go (in the background), inflight.go (Close).
type engine struct {
	store    Store
	observer Observer
	settings settings
	clock    storeClock
	ops      opNames
	attempts sharedAttempts
	inflight *inflight

	// These end because of Close, with errShut as their cause.
	closing context.Context // when it begins
	ending  context.Context // callGrace later: of every call
	last    context.Context // closeGrace later: of background work
	overdue atomic.Bool     // Close has returned, though calls have not
	close   func() error

	bound context.Context // ending, for Calls

	withdrawals withdrawals
}

// New returns the Manager over a store. It does no I/O. It starts the
// goroutine that sweeps in the background; Close stops it and closes the
// store. The Manager is safe for concurrent use.
func New(s Store, o *Options) lease.Manager {
	e := &engine{store: s, inflight: newInflight()}
	e.settings.changed = make(chan struct{}, 1)
	if o != nil && o.Observer != nil {
		e.observer = *o.Observer
	}
	var begin, endCalls, endWork context.CancelCauseFunc
	e.closing, begin = context.WithCancelCause(context.Background())
	e.ending, endCalls = context.WithCancelCause(context.Background())
	e.last, endWork = context.WithCancelCause(context.Background())
	e.bound = context.WithValue(e.ending, boundTo{}, e)
	e.close = sync.OnceValue(func() error {
		e.inflight.shut(func() {
			begin(errShut)
			time.AfterFunc(callGrace, func() { endCalls(errShut) })
			time.AfterFunc(closeGrace, func() { endWork(errShut) })
		})
		if n := e.inflight.wait(closeBound); n > 0 {
			e.overdue.Store(true)
			go func() { // a store is closed when its calls have returned
				<-e.inflight.idle
				_ = e.store.Close() // nobody is left to be told
			}()
			return &lease.UnavailableError{Op: "close", Err: fmt.Errorf("%d calls have not returned: the store is closed when they do", n)}
		}
		endCalls(errShut)
		endWork(errShut)
		return e.store.Close()
	})
	e.background(e.sweepOften)
	return e
}

// Close refuses new calls, makes waiting ones withdraw and return
// lease.ErrClosed, waits for all that is under way, for up to a second, and
// closes the store. A call that the store has not answered by then ends with
// lease.ErrClosed and lease.ErrUnavailable: its outcome is unknown, but a grant
// is taken back. If the store does not return from its calls even then, Close
// returns lease.ErrUnavailable, and closes the store when it does. Later calls of
// Close return the same result.
func (e *engine) Close() error { return e.close() }

var _ lease.Lifetime = (*engine)(nil)

// Closing is of [lease.Lifetime].
func (e *engine) Closing() <-chan struct{} { return e.closing.Done() }

// Calls is of [lease.Lifetime]: a call made with a context derived from it need
// not be tied to Close.
func (e *engine) Calls() context.Context { return e.bound }

// boundTo is the key under which the contexts of Calls name their engine.
type boundTo struct{}

// entered is a call that is under way.
type entered struct {
	inflight *inflight
	ctx      *lazyContext // nil if it needs none of its own
}

// leave ends the call.
func (c entered) leave() {
	if c.ctx != nil {
		c.ctx.stop()
	}
	c.inflight.leave()
}

// enter begins a call. What it asks of the store it asks with the context
// returned, which ends with ctx or callGrace after Close has begun. Unless
// enter returns an error, leave must follow. Nothing is sent for a context that
// has already ended.
func (e *engine) enter(ctx context.Context, op string) (bound context.Context, call entered, err error) {
	if ctx == nil {
		return nil, call, errNoContext()
	}
	if !e.inflight.join() {
		return nil, call, closedError(op)
	}
	if ctx.Err() != nil {
		e.inflight.leave()
		return nil, call, endedError(ctx, op)
	}
	call.inflight = e.inflight
	if ctx.Value(boundTo{}) == e {
		return ctx, call, nil
	}
	if ctx.Done() == nil {
		return valued{e.ending, ctx}, call, nil
	}
	call.ctx = &lazyContext{values: ctx, end: e.ending}
	return call.ctx, call, nil
}

// either returns a ctx that also ends when end does, with its cause.
func either(ctx, end context.Context) (context.Context, func()) {
	if ctx.Done() == nil {
		return valued{end, ctx}, func() {}
	}
	both, cancel := context.WithCancelCause(ctx)
	if end.Err() != nil { // at once: AfterFunc takes its time
		cancel(context.Cause(end))
	}
	stop := context.AfterFunc(end, func() { cancel(context.Cause(end)) })
	return both, func() {
		stop()
		cancel(nil)
	}
}

// valued is a context with the values of another, which never ends.
type valued struct {
	context.Context
	values context.Context
}

func (v valued) Value(key any) any {
	if value := v.values.Value(key); value != nil {
		return value
	}
	return v.Context.Value(key)
}

// background runs f in a goroutine that Close waits for. The caller must be
// under way itself, or be New.
func (e *engine) background(f func()) {
	e.inflight.hold()
	go func() {
		defer e.inflight.leave()
		f()
	}()
}

// closed reports whether Close has begun.
func (e *engine) closed() bool { return e.closing.Err() != nil }

// pause waits for d. It reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// backoff is the pause before a store that failed is asked again: 20 ms at
// first, doubling to 1 s.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, 20*time.Millisecond), time.Second)
	return b.last
}

func errNoContext() error { return lease.Invalid("ctx", "nil") }

func closedError(op string) error { return fmt.Errorf("lease: %s: %w", op, lease.ErrClosed) }

func endedError(ctx context.Context, op string) error {
	return fmt.Errorf("lease: %s: %w", op, ended(ctx))
}
