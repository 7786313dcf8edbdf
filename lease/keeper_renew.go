package lease

import (
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// longestAttempt bounds one call of Renew, so that calls which hang on long
// leases do not keep the workers from short ones.
const longestAttempt = 10 * time.Second

// work renews what is ready, the most urgent first, until nothing is.
func (k *Keeper) work() {
	for {
		k.mu.Lock()
		if len(k.ready) == 0 {
			k.workers--
			k.mu.Unlock()
			return
		}
		h := heap.Pop(&k.ready).(*Held)
		now := Clock()
		old, left, ttl := h.lease, h.deadline-now, h.lifetimeTTL(now)
		unsure := h.failures > 0
		postponed := k.tooLate(h, left)
		if postponed && h.err == nil {
			h.busy = false // the loop ends it, or Replace has something to renew
			h.next = now + left/2
			k.reschedule(h)
		}
		k.mu.Unlock()
		if !postponed {
			k.renew(h, old, left, ttl, unsure)
		}
	}
}

// tooLate reports whether it is no use to renew the lease now: it is over, or
// most likely will be by the time of the reply, while others wait that can
// still be renewed in time. Where a store cannot keep up, the most urgent
// leases would otherwise take all of its work, each too late, and all leases be
// lost instead of a few.
func (k *Keeper) tooLate(h *Held, left time.Duration) bool {
	if h.err != nil || left <= 0 {
		return true
	}
	return len(k.ready) > 0 && left < min(k.took+k.took/4, h.lease.lasts/8)
}

// renew makes one attempt, which never outlasts the local deadline. unsure says
// that one before it had no answer.
func (k *Keeper) renew(h *Held, old Lease, left, ttl time.Duration, unsure bool) {
	patience := left
	if half := left / 2; half > old.lasts/8 {
		patience = half // there is time for another attempt
	}
	ctx, cancel := context.WithTimeout(k.calls, min(patience, longestAttempt))
	asked := time.Now()
	got, err := k.acquirer.Renew(ctx, old.Ref(), ttl)
	if unsure && refused(err) {
		got, err = k.lookUp(ctx, old, err)
	}
	cancel()
	took := time.Since(asked)

	observer := k.options.Observer
	switch k.settle(h, old, got, ttl != 0, took, err) {
	case renewed:
		if observer.Renewed != nil {
			observer.Renewed(got, took)
		}
	case retrying:
		if observer.Retried != nil {
			observer.Retried(old, err)
		}
	case over:
		k.tellLost(h)
	case late:
		// The holder was told that the lease is lost, and nobody will renew it
		// again: the next one need not wait for its end.
		ctx, cancel := context.WithTimeout(k.calls, releaseTime(old))
		defer cancel()
		_ = k.acquirer.Release(ctx, old.Ref()) // else it ends by itself
	case ignored:
	}
}

// refused reports whether a lease that is still there is not renewed, now or
// later: its renewals are used up, or its TTL is more than allowed by now.
func refused(err error) bool { return errors.Is(err, ErrRenewalLimit) || errors.Is(err, ErrInvalid) }

// lookUp finds out, when a renewal is refused, how long the lease lasts: an
// earlier attempt whose reply was lost may have been the last that was allowed.
// It returns the lease with the refusal, or why that is not known.
func (k *Keeper) lookUp(ctx context.Context, old Lease, refusal error) (Lease, error) {
	i, ok := k.acquirer.(Inspector)
	if !ok {
		return Lease{}, refusal
	}
	l, err := current(ctx, i, "renew", old.Ref())
	if err != nil {
		return Lease{}, err
	}
	return l, refusal
}

// effect is what the reply to a renewal led to.
type effect int

const (
	ignored effect = iota
	renewed
	retrying
	over
	late // renewed after it was given up
)

// settle takes in the reply to a renewal of old; last says that it is the one
// that reaches MaxLifetime.
func (k *Keeper) settle(h *Held, old, got Lease, last bool, took time.Duration, err error) effect {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.took += (took - k.took) / 16
	}
	if h.err != nil {
		if err == nil && h.expired {
			return late
		}
		return ignored
	}
	h.busy = false
	defer k.rescheduleKept(h)
	if h.lease.ID != old.ID { // Replace was faster
		return ignored
	}
	now := Clock()
	switch {
	case err == nil:
		h.take(got)
		h.resting, h.capped = last, last
		h.plan(nextRenewal(h.jitter))
		return renewed
	case errors.Is(err, ErrLost) && h.replacing:
		// Most likely it is Replace that ended it: its result is on the way.
		h.failure, h.resting = err, true
		return ignored
	case errors.Is(err, ErrLost):
		h.gone = true
		k.end(h, err)
		return over
	case errors.Is(err, ErrClosed):
		k.end(h, err)
		return over
	case refused(err):
		if got.Valid() {
			h.take(got)
			h.plan(1)
		}
		h.failure, h.resting = err, true
		return ignored
	}
	h.failure = err
	h.next = now + h.pause()
	return retrying
}

// take makes l the newest copy of the lease.
func (h *Held) take(l Lease) {
	h.lease, h.failure, h.failures = l, nil, 0
	if l.Contention.Waiters > 0 && h.contended != nil && !h.told {
		h.told = true
		close(h.contended)
	}
}

// rescheduleKept is reschedule for what may have ended meanwhile.
func (k *Keeper) rescheduleKept(h *Held) {
	if h.err == nil {
		k.reschedule(h)
	}
}

// pause is how long to wait after a failed attempt: from a fiftieth of the
// lease, doubling to a tenth, at most 5 seconds, with jitter.
func (h *Held) pause() time.Duration {
	longest := min(h.lease.lasts/10, 5*time.Second)
	shortest := min(h.lease.lasts/50, time.Second)
	wait := min(shortest<<min(h.failures, 8), longest)
	h.failures++
	return time.Duration((0.75 + rand.Float64()/2) * float64(wait))
}

// lifetimeTTL is the TTL to renew with: 0, the lease's own, unless MaxLifetime
// ends before that would.
func (h *Held) lifetimeTTL(now moment) time.Duration {
	if h.options.MaxLifetime == 0 {
		return 0
	}
	if left := h.until - now; left < h.lease.TTL {
		return max(left, MinTTL)
	}
	return 0
}
