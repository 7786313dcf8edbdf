package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// A store without hints is polled: soon at first, then less and less.
const (
	firstPoll = 25 * time.Millisecond
	lastPoll  = 250 * time.Millisecond
)

// waiting is what a call in line keeps between its asks.
type waiting struct {
	hint    <-chan struct{} // nil: poll
	poll    time.Duration   // the next pause, if polling
	backoff backoff         // after a store error
}

// rest waits until the attempt must ask again, and says why: a hint, the time
// at which the last blocker ends, the heartbeat that keeps the place, or the
// end of a pause after an error. An error says why it must not ask again: its
// context, Close, the Timeout, or a store that was out of reach until the place
// had lapsed: to ask again would be to stand in line anew, as the last one. No hint is needed for correctness.
func (e *engine) rest(ctx context.Context, a *attempt, w *waiting) (Wakeup, error) {
	after, why := a.next(w)
	deadline, limited := a.deadline(a.config)
	if limited {
		after = min(after, time.Until(deadline))
	}
	timer := time.NewTimer(min(after, a.kept-lease.Clock()))
	defer timer.Stop()
	select {
	case _, ok := <-w.hint:
		if !ok {
			w.hint = nil // closed: it would be ready for ever
		}
		why = WokenByHint
	case <-timer.C:
	case <-ctx.Done():
	case <-e.closing.Done():
	}
	switch {
	case ctx.Err() != nil:
		return why, a.gaveUp(ended(ctx))
	case e.closed():
		return why, fmt.Errorf("lease: %s: %w", a.op, a.reason(lease.ErrClosed))
	case limited && !time.Now().Before(deadline):
		return why, a.gaveUp(a.timeoutError())
	case a.trouble != nil && lease.Clock() >= a.kept:
		return why, &lease.UnavailableError{Op: a.op, Err: fmt.Errorf("the place in line has lapsed: %w", a.trouble)}
	}
	return why, nil
}

// next returns after how long to ask again if nothing happens before, and why.
func (a *attempt) next(w *waiting) (time.Duration, Wakeup) {
	if a.trouble != nil {
		return w.backoff.next(), WokenByRetry
	}
	w.backoff = backoff{}
	after, why := a.asked+time.Duration(float64(a.place)/3*newJitter())-lease.Clock(), WokenByHeartbeat
	// A millisecond, the resolution of the store's clock, makes sure that the
	// end has come.
	if end := a.queued.RetryAfter + time.Millisecond; a.queued.RetryAfter > 0 && end < after {
		after, why = end, WokenByExpiry
	}
	if w.hint == nil {
		if w.poll < after {
			after, why = w.poll, WokenByPoll
		}
		w.poll = min(2*w.poll, lastPoll)
	}
	return after, why
}

// gaveUp is the error for a wait that ended: what was in the way at last, and
// no place any more.
func (a *attempt) gaveUp(reason error) error {
	err := a.conflict(a.queued, a.reason(reason))
	err.Position = 0
	return err
}

// timeoutError says how long the wait was, and what set its length: often a
// ctx without a deadline makes its owner expect none.
func (a *attempt) timeoutError() error {
	if a.request.Timeout == 0 {
		return fmt.Errorf("%w after %v (acquire_timeout)", lease.ErrTimeout, a.config.AcquireTimeout)
	}
	return fmt.Errorf("%w after %v (the request's Timeout)", lease.ErrTimeout, a.request.Timeout)
}

// reason adds the store's trouble, if there is any, to why a wait ended.
func (a *attempt) reason(err error) error {
	if a.trouble == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, a.trouble)
}
