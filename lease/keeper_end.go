package lease

import (
	"container/heap"
	"context"
	"time"
)

// Release stops the renewals, ends the context, and releases the lease. A lease
// that was lost before is that loss. After a failure ([ErrUnavailable]) it may
// be called again; releasing what is released is nil.
func (h *Held) Release(ctx context.Context) error {
	if h.zero() {
		return errZeroHeld()
	}
	l, p, err := h.leave(phaseReleased, func() error { return h.lost(ErrReleased) })
	if p == phaseLost {
		return err
	}
	failed := h.keeper.acquirer.Release(ctx, l.Ref())
	if p == phaseExpired || p == phaseOver {
		// A renewal may have got through unseen, so there may have been
		// something to release; for its holder it was lost all the same.
		return err
	}
	return failed
}

// Detach stops the renewals and ends the context, with [ErrClosed], but does
// not release the lease: it is the caller's, to be kept elsewhere or to run
// out. With after it is renewed one last time, so that it runs out that long
// from now; this takes one of its renewals, and after is [MinTTL] to [MaxTTL]. A
// lease that was lost before is that loss. After a failure ([ErrUnavailable]) it
// may be called again.
func (h *Held) Detach(ctx context.Context, after time.Duration) (Lease, error) {
	if h.zero() {
		return Lease{}, errZeroHeld()
	}
	if after < 0 || after > 0 && after < MinTTL || after > MaxTTL {
		return Lease{}, Invalid("after", "%v, want 0, or %v to %v", after, MinTTL, MaxTTL)
	}
	l, p, err := h.leave(phaseDetached, h.closed)
	if p != phaseDetached {
		return Lease{}, err
	}
	if after == 0 {
		return l, nil
	}
	l, err = h.keeper.acquirer.Renew(ctx, l.Ref(), after)
	if err != nil {
		return Lease{}, err
	}
	h.keeper.mu.Lock()
	h.lease = l
	h.keeper.mu.Unlock()
	return l, nil
}

// leave ends the keeping, if it has not ended, and its context. It returns the
// lease, in which phase it ended, and why. It calls why with the Keeper locked.
func (h *Held) leave(to phase, why func() error) (Lease, phase, error) {
	k := h.keeper
	k.mu.Lock()
	switch {
	case !h.phase().kept():
		k.unschedule(h) // what is over need not be released by the Keeper as well
	case h.lease.Valid():
		k.end(h, to, why())
	default: // the loop had no time to notice
		k.end(h, phaseExpired, h.expiry())
	}
	l, p, err := h.lease, h.phase(), h.err
	k.mu.Unlock()
	h.tell()
	return l, p, err
}

// end ends the keeping. The caller calls tell or tellLost once it has unlocked
// the Keeper.
func (k *Keeper) end(h *Held, to phase, why error) {
	h.err = why
	h.enter(to)
	k.unschedule(h)
}

// finish ends the keeping of a lease whose MaxLifetime is over. Its holder has
// the time until h.until to hear of it; then it is released.
func (k *Keeper) finish(h *Held) {
	h.err = h.expiry()
	h.enter(phaseOver)
	k.reschedule(h)
}

// unschedule takes the lease out of the schedule.
func (k *Keeper) unschedule(h *Held) {
	if h.place < 0 {
		return
	}
	heap.Remove(&k.schedule, h.place)
	k.byID.remove(h)
	if len(k.schedule) == 0 {
		k.poke() // for the loop to return
	}
}

// giveBack releases a lease that nobody keeps any more: the next holder need
// not wait for its end.
func (k *Keeper) giveBack(l Lease) {
	ctx, cancel := context.WithTimeout(k.calls, releaseTime(l))
	defer cancel()
	_ = k.acquirer.Release(ctx, l.Ref()) // else it ends by itself
}

// tell ends the context. It is called after end, without the Keeper's lock.
func (h *Held) tell() {
	h.keeper.mu.Lock()
	cancel, err := h.cancel, h.err
	h.keeper.mu.Unlock()
	if cancel != nil {
		cancel(err)
	}
}

// tellLost is tell for a lease that ended against its holder's will.
func (k *Keeper) tellLost(h *Held) {
	h.tell()
	if f := k.options.Observer.Lost; f != nil {
		f(h.Lease(), h.Err())
	}
}
