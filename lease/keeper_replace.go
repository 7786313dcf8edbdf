package lease

import (
	"context"
	"errors"
)

// Replace runs f, which replaces the lease by another one ([Upgrade],
// [Downgrade], [Shrink]), and keeps that in its place: the context goes on. The
// old lease is renewed while f waits. If f fails, what was held is held still
// (or lost, as Err tells).
//
//	l, err := h.Replace(ctx, func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
//		return lease.Upgrade(ctx, m, l)
//	})
//
// If f gave the lease to another holder ([Transfer]), it is no longer kept:
// the context ends with [ErrReplaced]. One Replace at a time; a second one is
// [ErrInvalid].
func (h *Held) Replace(ctx context.Context, f func(ctx context.Context, l Lease) (Lease, error)) (Lease, error) {
	if h.zero() {
		return Lease{}, errZeroHeld()
	}
	if f == nil {
		return Lease{}, errNoFunction()
	}
	old, err := h.startReplace()
	if err != nil {
		return Lease{}, err
	}
	adopted := false
	defer func() {
		if !adopted { // also if f panics: then the old lease counts
			h.failReplace()
		}
	}()
	got, err := f(ctx, old)
	if err != nil {
		return Lease{}, err
	}
	if !got.measured() {
		return Lease{}, Invalid("replace", "f returned what is not a lease that Acquire or TryAcquire returned")
	}
	adopted = true
	if ended := h.adopt(old, got); ended != nil {
		// Nobody holds on to what was granted, and nobody would renew it.
		return Lease{}, joined(ended, afterwards(ctx, got, func(ctx context.Context) error {
			return h.keeper.acquirer.Release(ctx, got.Ref())
		}))
	}
	return got, nil
}

func (h *Held) startReplace() (Lease, error) {
	h.keeper.mu.Lock()
	defer h.keeper.mu.Unlock()
	if h.err != nil {
		return Lease{}, h.err
	}
	if h.replacing {
		return Lease{}, Invalid("replace", "another one is under way")
	}
	h.replacing = true
	l := h.lease
	l.Renewals += h.owed
	return l, nil
}

// failReplace goes on with the old lease, unless a renewal found out meanwhile
// that it is gone.
func (h *Held) failReplace() {
	k := h.keeper
	k.mu.Lock()
	h.replacing = false
	gone := h.phase().kept() && errors.Is(h.failure, ErrLost)
	if gone {
		k.end(h, phaseLost, h.failure)
	}
	k.mu.Unlock()
	if gone {
		k.tellLost(h)
	}
}

// adopt goes on with the new lease, or says why it cannot.
func (h *Held) adopt(old, got Lease) error {
	k := h.keeper
	k.mu.Lock()
	h.replacing = false
	given := got.Holder != old.Holder
	switch {
	case !h.phase().kept():
	case given:
		k.end(h, phaseLost, &LostError{Op: "keep", Ref: old.Ref(), Err: ErrReplaced, Successor: got.ID})
	default:
		h.progress.Store(int64(Clock()))
		h.owed = h.renewalsSince(old, got)
		k.byID.remove(h)
		h.take(got)
		k.byID.add(h)
		if h.phase() != phaseRenewing { // else the worker says when it is done
			h.enter(phaseWaiting)
		}
		h.plan(nextRenewal(h.jitter))
		k.reschedule(h)
	}
	err := h.err
	k.mu.Unlock()
	if given {
		h.tell()
		return nil
	}
	return err
}

// renewalsSince returns how many renewals the lease was given while Replace was
// under way, if the new lease was asked for with those that were left before.
func (h *Held) renewalsSince(old, got Lease) int {
	if got.MaxRenewals <= 0 || got.MaxRenewals != successor(old).MaxRenewals {
		return 0
	}
	return h.lease.Renewals + h.owed - old.Renewals
}
