package lease

import (
	"context"
	"fmt"
	"slices"
)

// Verify asks the store, with one read, whether ref still owns the path now: it
// is the Ref of an active lease, one of whose claims covers the path, in
// whatever mode. The path need not be in normal form.
//
// If not, the error is a [*LostError], which is [ErrLost] and says why:
// [ErrNotHolder] if the token or the holder differs or no claim covers the
// path, [ErrExpired], [ErrReleased], [ErrRevoked], [ErrReplaced], or
// [ErrNotFound]. [ErrUnavailable] is neither yes nor no.
//
// The answer was true when the store gave it. A holder that must not act on a
// lease lost since then needs its token checked where it acts, as package
// fencefile does for files.
func Verify(ctx context.Context, i Inspector, ref Ref, path string) error {
	path, err := CleanPath(path)
	if err != nil {
		return err
	}
	if ref.ID == "" || ref.Holder == "" || ref.Token == 0 {
		return Invalid("ref", "needs ID, Holder and Token")
	}
	l, err := i.Get(ctx, ref.ID)
	if err != nil {
		return err
	}
	lost := func(why error) error { return &LostError{Op: "verify", Ref: ref, Err: why} }
	switch {
	case l.Holder != ref.Holder || l.Token != ref.Token:
		return lost(ErrNotHolder)
	case l.Status != Active:
		return lost(l.EndReason.err())
	case !slices.ContainsFunc(l.Claims, func(c Claim) bool { return Covers(c, path) }):
		return fmt.Errorf("%w of %q, which no claim of it covers", lost(ErrNotHolder), path)
	}
	return nil
}

// err is the error that tells of a lease that ended for this reason.
func (r EndReason) err() error {
	switch r {
	case EndReleased, EndTimeout, EndCancelled, EndDeadlock:
		return ErrReleased
	case EndRevoked:
		return ErrRevoked
	case EndReplaced, EndTransferred:
		return ErrReplaced
	case EndExpired, EndLapsed:
		return ErrExpired
	}
	return ErrNotFound
}
