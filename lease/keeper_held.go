package lease

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Held is a lease that a [Keeper] keeps. It may be used by many goroutines at
// once. It is made by [Keeper.Keep], [Keeper.Acquire] and [Keeper.TryAcquire].
type Held struct {
	keeper  *Keeper
	parent  context.Context
	options KeepOptions

	progress atomic.Int64  // the moment of the last Progress
	current  atomic.Uint32 // the phase

	// Guarded by keeper.mu.
	lease     Lease   // the newest copy
	owed      int     // renewals of what it replaced that its MaxRenewals does not know of
	place     int     // in the schedule; -1: not in it
	jitter    float64 // its share of the jitter, for good
	due       moment
	next      moment // the next attempt to renew
	deadline  moment // when it counts as lost
	until     moment // the end of its lifetime, with MaxLifetime
	failures  uint8  // attempts that failed in a row
	replacing bool   // a Replace is under way
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
// [ErrClosed]. When a lease was not renewed in time the context ends before
// Lease().Valid() turns false, and so before anybody else can be granted the
// paths; when it was ended by force, at once with KeeperOptions.Watch, else at
// the next renewal.
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
		h.tellContention()
	}
	return h.contended
}

// tellContention closes the channel of Contended, if there is a reason.
func (h *Held) tellContention() {
	if h.contended == nil || h.lease.Contention.Waiters == 0 {
		return
	}
	select {
	case <-h.contended:
	default:
		close(h.contended)
	}
}

// Progress says that the worker is alive; see KeepOptions.Progress. It is
// cheap.
func (h *Held) Progress() {
	if h.zero() {
		return
	}
	k := h.keeper
	h.progress.Store(int64(Clock()))
	if h.phase() != phaseStalled {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if h.phase() == phaseStalled {
		h.enter(phaseWaiting) // and it is overdue, so it is renewed at once
		k.reschedule(h)
	}
}

func (h *Held) lost(why error) error {
	return &LostError{Op: "keep", Ref: h.lease.Ref(), Err: why}
}

// expiry is the error of a lease that reached its local deadline, with what
// kept it from being renewed.
func (h *Held) expiry() error {
	err := h.lost(ErrExpired)
	switch p := h.phase(); {
	case p == phaseFinishing:
		return fmt.Errorf("%w: it was kept for MaxLifetime, %v", err, h.options.MaxLifetime)
	case p == phaseStalled:
		idle := Clock() - moment(h.progress.Load())
		return fmt.Errorf("%w: no progress for %v", err, idle.Round(time.Millisecond))
	case h.failure != nil:
		return fmt.Errorf("%w: %w", err, h.failure)
	}
	return err
}

// closed is the error of a lease that is no longer kept and not released.
func (h *Held) closed() error {
	return fmt.Errorf("lease: keep %q for %s: %w", h.lease.ID, h.lease.Holder, ErrClosed)
}

func (h *Held) zero() bool { return h == nil || h.keeper == nil }

func errZeroHeld() error { return Invalid("held", "not from a Keeper") }
