package backend

import (
	"time"

	"github.com/leasekit/leasekit/lease"
)

// Observer is told what an engine does, for logs, metrics and tests. Every
// field may be nil. The functions are called by the goroutine that did it,
// several at once, so they must be safe for concurrent use and quick, and must
// not call Close.
type Observer struct {
	// Granted: Acquire or TryAcquire returns a lease. took is the whole call.
	Granted func(l lease.Lease, took time.Duration)

	// Refused: Acquire or TryAcquire returns err instead. took is the whole
	// call. A request that is not valid is not told.
	Refused func(r lease.Request, took time.Duration, err error)

	// Queued: a call of Acquire got its place in line, and waits.
	Queued func(id lease.ID, position int)

	// Woken: a waiting call asks again.
	Woken func(id lease.ID, why Wakeup)

	// Renewed: Renew returns a lease.
	Renewed func(l lease.Lease)

	// Released: Release returns nil.
	Released func(ref lease.Ref)

	// Lost: a call found its lease or place gone.
	Lost func(err *lease.LostError)

	// Withdrawn: an attempt was taken back or, with an error, could not be and
	// is left to end by itself.
	Withdrawn func(args WithdrawArgs, err error)

	// Swept: a sweep, called for or in the background, did this.
	Swept func(result lease.SweepResult)

	// StoreCall: a call of the store has returned. op is "acquire", "renew",
	// "release", "withdraw", "force release", "sweep", "list", "events",
	// "stats", "config" or "set config".
	StoreCall func(op string, took time.Duration, err error)
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

// Tee returns an Observer that tells all of these, in order. Nil ones are
// skipped.
func Tee(observers ...*Observer) *Observer {
	var t Observer
	for _, o := range observers {
		if o == nil {
			continue
		}
		t.Granted = tee2(t.Granted, o.Granted)
		t.Refused = tee3(t.Refused, o.Refused)
		t.Queued = tee2(t.Queued, o.Queued)
		t.Woken = tee2(t.Woken, o.Woken)
		t.Renewed = tee1(t.Renewed, o.Renewed)
		t.Released = tee1(t.Released, o.Released)
		t.Lost = tee1(t.Lost, o.Lost)
		t.Withdrawn = tee2(t.Withdrawn, o.Withdrawn)
		t.Swept = tee1(t.Swept, o.Swept)
		t.StoreCall = tee3(t.StoreCall, o.StoreCall)
	}
	return &t
}

func tee1[A any](f, g func(A)) func(A) {
	if f == nil || g == nil {
		return pick(f == nil, g, f)
	}
	return func(a A) { f(a); g(a) }
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

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}
