package lease

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Held is a lease that a [Keeper] keeps. It may be used by many goroutines at
// once. It is made by [Keeper.Keep].
type Held struct {
	keeper  *Keeper
	parent  context.Context
	options KeepOptions

	progress atomic.Int64 // the moment of the last Progress
	stalled  atomic.Bool  // it was not renewed for want of it

	// Guarded by keeper.mu.
	lease     Lease   // the newest copy
	place     int     // in the schedule; -1: not in it
	jitter    float64 // its share of the jitter, for good
	due       moment
	next      moment // the next attempt to renew
	deadline  moment // when it counts as lost
	until     moment // the end of its lifetime, with MaxLifetime
	failures  uint8  // attempts that failed in a row
	busy      bool   // a worker renews it, or is about to
	resting   bool   // it is not renewed any more, or not until Progress if stalled
	capped    bool   // it is not, because it will have been kept for MaxLifetime
	replacing bool   // a Replace is under way
	expired   bool   // it was given up at its deadline
	gone      bool   // the store said that it is over
	told      bool   // contended is closed
	failure   error  // of the last attempt
	err       error  // why it is no longer kept
	ctx       context.Context
	cancel    context.CancelCauseFunc
	contended chan struct{}
}

// Context returns the context for what is done under the lease. It has the
// values of the context given to Keep, and ends when the lease is no longer
// kept; [context.Cause] then says why, as Err does: [ErrLost] (with
// [ErrExpired], [ErrRevoked], [ErrReplaced], [ErrReleased], ...) or
// [ErrClosed]. When a lease was not renewed in time it ends before anybody else
// can be granted the paths; when it was ended by force, at the next renewal,
// which finds that out.
func (h *Held) Context() context.Context {
	if h.zero() {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errZeroHeld())
		return ctx
	}
	h.keeper.mu.Lock()
	defer h.keeper.mu.Unlock()
	if h.ctx == nil {
		// Made when first asked for: most of 100,000 leases need none.
		h.ctx, h.cancel = context.WithCancelCause(h.parent)
		if h.err != nil {
			h.cancel(h.err)
		}
	}
	return h.ctx
}

// Err returns nil while the lease is kept, then why it is no longer.
func (h *Held) Err() error {
	if h.zero() {
		return errZeroHeld()
	}
	h.keeper.mu.Lock()
	defer h.keeper.mu.Unlock()
	return h.err
}

// Lease returns the newest copy of the lease.
func (h *Held) Lease() Lease {
	if h.zero() {
		return Lease{}
	}
	h.keeper.mu.Lock()
	defer h.keeper.mu.Unlock()
	return h.lease
}

// Contended returns a channel that is closed when a renewal first tells that
// somebody waits for what the lease holds, so that the holder may finish
// early. Lease().Contention says how many, since when, and how urgent, as of
// the last renewal.
func (h *Held) Contended() <-chan struct{} {
	if h.zero() {
		return nil
	}
	h.keeper.mu.Lock()
	defer h.keeper.mu.Unlock()
	if h.contended == nil {
		h.contended = make(chan struct{})
		if h.lease.Contention.Waiters > 0 {
			h.told = true
			close(h.contended)
		}
	}
	return h.contended
}

// Progress says that the worker is alive; see KeepOptions.Progress. It is
// cheap.
func (h *Held) Progress() {
	if h.zero() {
		return
	}
	k := h.keeper
	h.progress.Store(int64(Clock()))
	if !h.stalled.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if h.err == nil && h.stalled.Swap(false) {
		h.resting = false // and is overdue, so it is renewed at once
		k.reschedule(h)
	}
}

// Release stops the renewals, ends the context, and releases the lease. A lease
// that was lost before is that loss. After a failure ([ErrUnavailable]) it may
// be called again; releasing what is released is nil.
func (h *Held) Release(ctx context.Context) error {
	if h.zero() {
		return errZeroHeld()
	}
	k := h.keeper
	k.mu.Lock()
	if h.err == nil {
		if h.lease.Valid() {
			k.end(h, h.lost(ErrReleased))
		} else { // the loop had no time to notice
			h.expired = true
			k.end(h, h.expiry())
		}
	}
	l, err, gone, expired := h.lease, h.err, h.gone, h.expired
	k.mu.Unlock()
	h.tell()
	if gone {
		return err
	}
	released := k.acquirer.Release(ctx, l.Ref())
	if expired {
		// A renewal may have got through unseen, so there may have been
		// something to release; for its holder it was lost all the same.
		return err
	}
	return released
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

func (h *Held) lost(why error) error {
	return &LostError{Op: "keep", Ref: h.lease.Ref(), Err: why}
}

// expiry is the error of a lease that reached its local deadline, with what
// kept it from being renewed.
func (h *Held) expiry() error {
	lost := h.lost(ErrExpired)
	switch {
	case h.capped:
		return fmt.Errorf("%w: it was kept for MaxLifetime, %v", lost, h.options.MaxLifetime)
	case h.stalled.Load():
		idle := Clock() - moment(h.progress.Load())
		return fmt.Errorf("%w: no progress for %v", lost, idle.Round(time.Millisecond))
	case h.failure != nil:
		return fmt.Errorf("%w: %w", lost, h.failure)
	}
	return lost
}

func (h *Held) zero() bool { return h == nil || h.keeper == nil }

func errZeroHeld() error { return Invalid("held", "not from a Keeper") }
