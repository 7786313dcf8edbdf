package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// fromStore are the errors of package lease that a store may return itself.
// Anything else means that it is out of reach or the outcome unknown.
var fromStore = []error{
	lease.ErrUnavailable, lease.ErrTrimmed, lease.ErrVersion, lease.ErrRegressed,
	lease.ErrClosed, lease.ErrInvalid, lease.ErrDisabled, lease.ErrLost,
}

// storeError makes a store's error one of package lease's. If ctx, the
// call's, has ended, the result also is its error and its cause, or ErrClosed
// if that was because of Close.
func storeError(ctx context.Context, op string, err error) error {
	if errors.Is(context.Cause(ctx), errShut) {
		return &lease.UnavailableError{Op: op, Err: errShut}
	}
	is := func(target error) bool { return errors.Is(err, target) }
	if ctx.Err() != nil && !(is(ctx.Err()) && is(context.Cause(ctx))) {
		err = fmt.Errorf("%w: %w", ended(ctx), err)
	}
	switch {
	case slices.Contains(fromStore, err):
		return fmt.Errorf("lease: %s: %w", op, err)
	case slices.ContainsFunc(fromStore, is):
		return err
	}
	return &lease.UnavailableError{Op: op, Err: err}
}

// transient reports whether asking the store again may help.
func transient(err error) bool { return errors.Is(err, lease.ErrUnavailable) }

// ended returns the error of a context that has ended, which is its cause too:
// of one that Close ended only that.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) || errors.Is(cause, errShut) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// lost returns the error for the outcome Gone.
func (e *engine) lost(ctx context.Context, op string, ref lease.Ref, end End) error {
	err := &lease.LostError{
		Op: op, Ref: ref, Err: end.Err,
		Successor: end.Successor, Actor: end.Actor, Reason: end.Reason,
	}
	if e.observer.Lost != nil {
		e.observer.Lost(ctx, err)
	}
	return err
}

// unexpected is the error for a reply that breaks the contract of Store.
func unexpected(op, problem string) error {
	return &lease.UnavailableError{Op: op, Err: errors.New("the store broke its contract: " + problem)}
}
