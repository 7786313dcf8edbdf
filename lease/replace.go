package lease

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Upgrade replaces the lease by one that is exclusive on the given paths, or
// without any on all it has. It waits until those who share them have let go,
// up to Config.AcquireTimeout; the old lease is held all the while, must be
// kept renewed, and is given up in the step that grants the new one, so that
// nobody comes between.
//
// Of two holders that share a path and both upgrade, the second gets
// [ErrDeadlock] at once; it should release its lease, or downgrade what else it
// holds. Other errors are those of Acquire; [ErrLost] if the old lease is gone.
// On an error the old lease is what it was, unless the error is
// [ErrUnavailable]: then the outcome is unknown.
//
// Like all functions that replace a lease it keeps the TTL, the labels, the
// priority, Distinct, and the renewals that are left. The new lease has an ID and a token
// of its own; the old Ref is [ErrReplaced] from then on. For a lease that a
// [Keeper] keeps, use [Held.Replace].
func Upgrade(ctx context.Context, a Acquirer, l Lease, paths ...string) (Lease, error) {
	return remode(ctx, a.Acquire, l, Exclusive, paths)
}

// Downgrade replaces the lease by one that is shared on the given paths, or
// without any on all it has. It does not wait: nobody can be in the way.
// Errors are as for [Upgrade].
func Downgrade(ctx context.Context, a Acquirer, l Lease, paths ...string) (Lease, error) {
	return remode(ctx, a.TryAcquire, l, Shared, paths)
}

// Shrink gives back the claims on the given paths and keeps the others. It does
// not wait. Giving back what is not claimed, or everything (which is Release),
// is [ErrInvalid]; other errors are as for [Upgrade].
func Shrink(ctx context.Context, a Acquirer, l Lease, giveBack ...string) (Lease, error) {
	drop, err := claimed(l, giveBack)
	if err != nil {
		return Lease{}, err
	}
	kept := slices.DeleteFunc(slices.Clone(l.Claims), func(c Claim) bool { return drop[c.Path] })
	switch len(kept) {
	case 0:
		return Lease{}, Invalid("paths", "nothing would be left; release the lease instead")
	case len(l.Claims):
		return Lease{}, Invalid("paths", "none given")
	}
	r := successor(l)
	r.Claims = kept
	return replaceBy(ctx, a.TryAcquire, l, r)
}

// Transfer gives the lease, with all its claims, to another holder, whose lease
// it returns. It does not wait. The Ref of the old lease is the right to do so.
// [ErrQuota] if the other holder may have no more; other errors are as for
// [Upgrade].
func Transfer(ctx context.Context, a Acquirer, l Lease, to string) (Lease, error) {
	if to == l.Holder {
		return Lease{}, Invalid("holder", "%s has the lease already", to)
	}
	r := successor(l)
	r.Holder = to
	return replaceBy(ctx, a.TryAcquire, l, r)
}

// ask is TryAcquire or Acquire.
type ask func(context.Context, Request) (Lease, error)

func remode(ctx context.Context, ask ask, l Lease, m Mode, paths []string) (Lease, error) {
	change, err := claimed(l, paths)
	if err != nil {
		return Lease{}, err
	}
	r := successor(l)
	r.Claims = slices.Clone(l.Claims)
	for i, c := range r.Claims {
		if len(paths) == 0 || change[c.Path] {
			r.Claims[i].Mode = m
		}
	}
	return replaceBy(ctx, ask, l, r)
}

// claimed returns the paths in normal form, as a set. A path that the lease
// does not claim by its name is ErrInvalid.
func claimed(l Lease, paths []string) (map[string]bool, error) {
	set := make(map[string]bool, len(paths))
	for _, path := range paths {
		path, err := CleanPath(path)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(l.Claims, func(c Claim) bool { return c.Path == path }) {
			return nil, Invalid("paths", "the lease has no claim on %q", path)
		}
		set[path] = true
	}
	return set, nil
}

// successor returns a request for the same as the lease, in its place.
func successor(l Lease) Request {
	r := Request{
		ID:          NewID(),
		Holder:      l.Holder,
		Claims:      l.Claims,
		TTL:         l.TTL,
		MaxRenewals: l.MaxRenewals,
		Priority:    l.Priority,
		Replace:     l.Ref(),
		Distinct:    l.Distinct,
		Labels:      l.Labels,
	}
	if l.MaxRenewals > 0 {
		if r.MaxRenewals -= l.Renewals; r.MaxRenewals <= 0 {
			r.MaxRenewals = NoRenewals
		}
	}
	return r
}

// replaceBy asks for r. If the outcome is unknown the old lease may be replaced
// already, and then only the new one's Ref is of use: so it asks again with
// the same ID, which returns what was granted, for as long as the old lease
// would have been good.
func replaceBy(ctx context.Context, ask ask, old Lease, r Request) (Lease, error) {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		l, err := ask(ctx, r)
		if err == nil || !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrClosed) || !old.Valid() {
			return l, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return l, err
		case <-timer.C:
		}
	}
}
