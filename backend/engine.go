package backend

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// closeGrace bounds what Close still lets background work do: one last try to
// withdraw what was abandoned.
const closeGrace = time.Second

// engine is the lease.Manager over a Store. See the files: validate.go (normal
// form), config.go (the copy of the configuration), ask.go (one ask), acquire.go
// and wait.go (the loop around it), withdraw.go (taking back), hold.go (Renew
// and Release), list.go, watch.go, admin.go, sweep.go (in the background).
type engine struct {
	store    Store
	observer Observer
	settings settings
	calls    *gate

	closing context.Context // ends, with ErrClosed as its cause, when Close begins
	last    context.Context // of background work: ends closeGrace later
	close   func() error
}

// New returns the Manager over a store. It does no I/O. It starts the
// goroutine that sweeps in the background; Close stops it and closes the
// store. The Manager is safe for concurrent use.
func New(s Store, o *Options) lease.Manager {
	e := &engine{store: s, calls: newGate()}
	e.settings.changed = make(chan struct{}, 1)
	if o != nil && o.Observer != nil {
		e.observer = *o.Observer
	}
	closing, stopCalls := context.WithCancelCause(context.Background())
	last, stopWork := context.WithCancelCause(context.Background())
	e.closing, e.last = closing, last
	e.close = sync.OnceValue(func() error {
		var grace *time.Timer
		e.calls.shutAndWait(func() {
			stopCalls(lease.ErrClosed)
			grace = time.AfterFunc(closeGrace, func() { stopWork(lease.ErrClosed) })
		})
		grace.Stop()
		stopWork(lease.ErrClosed)
		return e.store.Close()
	})
	e.background(e.sweepOften)
	return e
}

// Close refuses new calls, makes waiting ones withdraw and return
// lease.ErrClosed, waits for all that is under way, and closes the store. Later
// calls of Close return the same result.
func (e *engine) Close() error { return e.close() }

// Closing returns a channel that is closed when Close begins. [lease.KeepAlive]
// looks for it.
func (e *engine) Closing() <-chan struct{} { return e.closing.Done() }

// enter begins a call. Unless it returns an error, e.calls.leave must follow.
// Nothing is sent for a context that has already ended.
func (e *engine) enter(ctx context.Context, op string) error {
	if !e.calls.enter() {
		return closedError(op)
	}
	if ctx.Err() != nil {
		e.calls.leave()
		return endedError(ctx, op)
	}
	return nil
}

// background runs f in a goroutine that Close waits for. The caller must be
// inside the gate, or be New.
func (e *engine) background(f func()) {
	e.calls.hold()
	go func() {
		defer e.calls.leave()
		f()
	}()
}

// closed reports whether Close has begun.
func (e *engine) closed() bool { return e.closing.Err() != nil }

// untilClose returns a ctx that also ends when Close begins.
func (e *engine) untilClose(ctx context.Context) (context.Context, context.CancelFunc) {
	open, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(e.closing, cancel)
	return open, func() {
		stop()
		cancel()
	}
}

// called tells the observer of a store call.
func (e *engine) called(op string, start time.Time, err error) {
	if e.observer.StoreCall != nil {
		e.observer.StoreCall(op, time.Since(start), err)
	}
}

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

func closedError(op string) error { return fmt.Errorf("lease: %s: %w", op, lease.ErrClosed) }

func endedError(ctx context.Context, op string) error {
	return fmt.Errorf("lease: %s: %w", op, ended(ctx))
}
