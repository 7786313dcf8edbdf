package backend

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// Observer is told what an engine does, for logs, metrics, traces and tests.
// Every field may be nil, and then costs nothing. The functions are called by
// the goroutine that did it, several at once, so they must be safe for
// concurrent use and quick, and must not call Close.
//
// The context is that of the caller, or carries its values: the span of a
// trace, say. It may have ended. What the engine does by itself has a context
// without values.
//
// A panic of a function is the caller's. Where the engine does something by
// itself it is logged ([slog.Default]), and the engine goes on.
//
// A call that is refused before it begins is not told: one with an invalid
// argument, one whose context has already ended, one after Close.
type Observer struct {
	// Granted: Acquire or TryAcquire returns a lease. took is the whole call.
	Granted func(ctx context.Context, l lease.Lease, took time.Duration)

	// Refused: Acquire or TryAcquire returns err instead. took is the whole
	// call. The request is in normal form, with its ID.
	Refused func(ctx context.Context, r lease.Request, took time.Duration, err error)

	// Queued: a call of Acquire got its place in line, and waits. The error
	// says who is in the way and what the place is; nobody returns it. It comes
	// once a call, and LeftQueue follows.
	Queued func(ctx context.Context, inTheWay *lease.ConflictError)

	// Woken: a waiting call asks again.
	Woken func(ctx context.Context, id lease.ID, why Wakeup)

	// LeftQueue: a call that was told by Queued waits no longer: it was granted
	// if err is nil. waited counts from Queued. Granted or Refused follows.
	LeftQueue func(ctx context.Context, r lease.Request, waited time.Duration, err error)

	// Renewed: Renew returns a lease.
	Renewed func(ctx context.Context, l lease.Lease, took time.Duration)

	// RenewFailed: Renew returns err instead.
	RenewFailed func(ctx context.Context, ref lease.Ref, took time.Duration, err error)

	// Released: Release returns nil.
	Released func(ctx context.Context, ref lease.Ref, took time.Duration)

	// ReleaseFailed: Release returns err instead. If that is
	// [lease.ErrUnavailable] the lease ends by its TTL at the latest.
	ReleaseFailed func(ctx context.Context, ref lease.Ref, took time.Duration, err error)

	// Lost: a call found its lease or place gone. Refused, RenewFailed or
	// ReleaseFailed follows with the same error.
	Lost func(ctx context.Context, err *lease.LostError)

	// Forced: ForceRelease ended these leases and waiters. With an err it could
	// not go on after them.
	Forced func(ctx context.Context, f lease.Revocation, ended []lease.Lease, err error)

	// Withdrawn: an attempt was taken back or, with an error, could not be and
	// is left to end by itself.
	Withdrawn func(ctx context.Context, args WithdrawArgs, err error)

	// Swept: a sweep, called for or in the background, did this. With an err it
	// could not go on after it.
	Swept func(ctx context.Context, result lease.SweepResult, took time.Duration, err error)

	// Configured: SetConfig returns c.
	Configured func(ctx context.Context, c lease.Config)

	// StoreCall: a call of the store has returned. op is one of [StoreOps];
	// SetLabels and ReserveTokens are a "renew" of the store.
	StoreCall func(ctx context.Context, op string, took time.Duration, err error)
}

// StoreOps returns the operations that Observer.StoreCall tells apart.
func StoreOps() []string {
	return []string{
		"acquire", "renew", "release", "withdraw", "force release", "sweep",
		"list", "events", "stats", "config", "set config",
	}
}

// Wakeup says why a waiting call asks again.
type Wakeup string

// The reasons to ask again.
const (
	WokenByHint      Wakeup = "hint"      // the store said that it may now be granted
	WokenByExpiry    Wakeup = "expiry"    // the last of what blocked it has ended by time
	WokenByHeartbeat Wakeup = "heartbeat" // to keep its place
	WokenByPoll      Wakeup = "poll"      // the store gives no hints
	WokenByRetry     Wakeup = "retry"     // the store failed before
)

// Wakeups returns all reasons to ask again.
func Wakeups() []Wakeup {
	return []Wakeup{WokenByHint, WokenByExpiry, WokenByHeartbeat, WokenByPoll, WokenByRetry}
}

// Tee returns an Observer that tells all of these, in order. Nil ones are
// skipped.
func Tee(observers ...*Observer) *Observer {
	var t Observer
	for _, o := range observers {
		if o == nil {
			continue
		}
		t.Granted = tee3(t.Granted, o.Granted)
		t.Refused = tee4(t.Refused, o.Refused)
		t.Queued = tee2(t.Queued, o.Queued)
		t.Woken = tee3(t.Woken, o.Woken)
		t.LeftQueue = tee4(t.LeftQueue, o.LeftQueue)
		t.Renewed = tee3(t.Renewed, o.Renewed)
		t.RenewFailed = tee4(t.RenewFailed, o.RenewFailed)
		t.Released = tee3(t.Released, o.Released)
		t.ReleaseFailed = tee4(t.ReleaseFailed, o.ReleaseFailed)
		t.Lost = tee2(t.Lost, o.Lost)
		t.Forced = tee4(t.Forced, o.Forced)
		t.Withdrawn = tee3(t.Withdrawn, o.Withdrawn)
		t.Swept = tee4(t.Swept, o.Swept)
		t.Configured = tee2(t.Configured, o.Configured)
		t.StoreCall = tee4(t.StoreCall, o.StoreCall)
	}
	return &t
}

func tee2[A, B any](f, g func(A, B)) func(A, B) {
	if f == nil || g == nil {
		return pick(f == nil, g, f)
	}
	return func(a A, b B) { f(a, b); g(a, b) }
}

func tee3[A, B, C any](f, g func(A, B, C)) func(A, B, C) {
	if f == nil || g == nil {
		return pick(f == nil, g, f)
	}
	return func(a A, b B, c C) { f(a, b, c); g(a, b, c) }
}

func tee4[A, B, C, D any](f, g func(A, B, C, D)) func(A, B, C, D) {
	if f == nil || g == nil {
		return pick(f == nil, g, f)
	}
	return func(a A, b B, c C, d D) { f(a, b, c, d); g(a, b, c, d) }
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// concluded tells how a call of Acquire or TryAcquire ended.
func (e *engine) concluded(ctx context.Context, a *attempt, l lease.Lease, err error) {
	o := &e.observer
	if a.queued != nil && o.LeftQueue != nil {
		o.LeftQueue(ctx, a.request, time.Since(a.since), err)
	}
	switch {
	case err != nil && o.Refused != nil:
		o.Refused(ctx, a.request, time.Since(a.start), err)
	case err == nil && o.Granted != nil:
		o.Granted(ctx, l, time.Since(a.start))
	}
}

// joined tells that a call of Acquire has a place in line.
func (e *engine) joined(ctx context.Context, a *attempt, reply *AcquireReply) {
	a.since = time.Now()
	if e.observer.Queued != nil {
		e.observer.Queued(ctx, a.conflict(reply, nil))
	}
}

// concludedRenewal tells how a call of Renew ended.
func (e *engine) concludedRenewal(ctx context.Context, ref lease.Ref, l lease.Lease, start time.Time, err error) {
	o := &e.observer
	switch {
	case err != nil && o.RenewFailed != nil:
		o.RenewFailed(ctx, ref, time.Since(start), err)
	case err == nil && o.Renewed != nil:
		o.Renewed(ctx, l, time.Since(start))
	}
}

// concludedRelease tells how a call of Release ended.
func (e *engine) concludedRelease(ctx context.Context, ref lease.Ref, start time.Time, err error) {
	o := &e.observer
	switch {
	case err != nil && o.ReleaseFailed != nil:
		o.ReleaseFailed(ctx, ref, time.Since(start), err)
	case err == nil && o.Released != nil:
		o.Released(ctx, ref, time.Since(start))
	}
}

// called tells of a store call that began at start, by lease.Clock.
func (e *engine) called(ctx context.Context, op string, start time.Duration, err error) {
	if e.observer.StoreCall != nil {
		defer forgive(ctx)
		e.observer.StoreCall(ctx, op, lease.Clock()-start, err)
	}
}

// unattended is the key by which a context says that no caller is there: who
// else would take the panic of an Observer.
type unattended struct{}

// alone returns the context for what the engine does by itself.
func alone(ctx context.Context) context.Context { return context.WithValue(ctx, unattended{}, true) }

// forgive is deferred where an Observer is told: its panic is its caller's, and
// where there is none it is logged, and ends neither the work nor the process.
func forgive(ctx context.Context) {
	if ctx.Value(unattended{}) == nil {
		return
	}
	if p := recover(); p != nil { //nolint:revive // forgive is deferred
		slog.ErrorContext(ctx, "lease: an Observer panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	}
}
