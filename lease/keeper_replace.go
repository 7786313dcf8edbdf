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
	return h.lease, nil
}

// failReplace goes on with the old lease, unless a renewal found out meanwhile
// that it is gone.
func (h *Held) failReplace() {
	k := h.keeper
	k.mu.Lock()
	h.replacing = false
	gone := h.err == nil && errors.Is(h.failure, ErrLost)
	if gone {
		h.gone = true
		k.end(h, h.failure)
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
	case given && h.err == nil:
		h.gone = true
		k.end(h, &LostError{Op: "keep", Ref: old.Ref(), Err: ErrReplaced, Successor: got.ID})
	case h.err == nil:
		now := Clock()
		h.progress.Store(int64(now))
		h.stalled.Store(false)
		h.resting = false
		h.take(got)
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
