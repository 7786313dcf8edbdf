package lease

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// longestAttempt bounds one call of Renew, so that calls which hang on long
// leases do not keep the workers from short ones.
const longestAttempt = 10 * time.Second

// worker renews what is ready, the most urgent first, until nothing is.
func (k *Keeper) worker() {
	for {
		k.mu.Lock()
		if len(k.ready) == 0 {
			k.workers--
			k.mu.Unlock()
			return
		}
		h := heap.Pop(&k.ready).(*Held)
		now := Clock()
		old, left, ttl, p := h.lease, h.deadline-now, h.lifetimeTTL(now), h.phase()
		unsure := h.failures > 0
		postponed := k.tooLate(h, left)
		if postponed && p == phaseRenewing {
			h.enter(phaseWaiting) // the loop ends it, or Replace has something to renew
			h.next = now + left/2
			k.reschedule(h)
		}
		k.mu.Unlock()
		switch {
		case p == phaseOver:
			k.giveBack(old)
		case !postponed:
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
	if h.phase() != phaseRenewing || left <= 0 {
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
	switch k.applyRenewal(h, old, got, ttl != 0, took, err) {
	case applied:
		if observer.Renewed != nil {
			observer.Renewed(got, took)
		}
	case retrying:
		if observer.Retried != nil {
			observer.Retried(old, err)
		}
	case ended:
		k.tellLost(h)
	case late:
		k.giveBack(old) // its holder was told that it is lost
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
	applied
	retrying
	ended
	late // renewed after it was given up
)

// applyRenewal takes in the reply to a renewal of old; last says that it is the
// one that reaches MaxLifetime.
func (k *Keeper) applyRenewal(h *Held, old, got Lease, last bool, took time.Duration, err error) effect {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.took += (took - k.took) / 16
	}
	switch {
	case h.phase() == phaseExpired && err == nil:
		return late
	case h.phase() != phaseRenewing:
		return ignored
	}
	h.enter(phaseWaiting)
	defer k.rescheduleKept(h)
	if h.lease.ID != old.ID { // Replace was faster
		return ignored
	}
	switch {
	case err == nil:
		h.take(got)
		h.plan(nextRenewal(h.jitter))
		if last && h.phase() == phaseWaiting {
			h.enter(phaseFinishing)
		}
		return applied
	case errors.Is(err, ErrLost):
		if k.goneInStore(h, err) {
			return ended
		}
		return ignored
	case errors.Is(err, ErrClosed):
		k.end(h, phaseDetached, err)
		return ended
	case refused(err):
		if got.Valid() {
			h.take(got)
			h.plan(1)
		}
		h.failure = err
		if h.phase() == phaseWaiting {
			h.enter(phaseResting)
		}
		return ignored
	}
	h.failure = err
	h.next = Clock() + h.pause()
	return retrying
}

// take makes l the newest copy of the lease. A reply that was overtaken by a
// change of the labels does not bring the old ones back.
func (h *Held) take(l Lease) {
	if l.ID == h.lease.ID && l.UpdatedAt.Before(h.lease.UpdatedAt) {
		l.Labels, l.UpdatedAt = h.lease.Labels, h.lease.UpdatedAt
	}
	h.lease, h.failure, h.failures = l, nil, 0
	h.tellContention()
}

// rescheduleKept is reschedule for what may have ended meanwhile.
func (k *Keeper) rescheduleKept(h *Held) {
	if h.phase().kept() {
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

func (h *Held) limit() error {
	return fmt.Errorf("lease: keep %q for %s: %w", h.lease.ID, h.lease.Holder, ErrRenewalLimit)
}

// usedUp reports whether the lease has no renewals left, counting those that
// the lease it replaced was given while Replace was under way.
func (h *Held) usedUp() bool {
	return h.owed > 0 && h.lease.MaxRenewals > 0 && h.lease.Renewals+h.owed >= h.lease.MaxRenewals
}
