package lease

import (
	"context"
	"errors"
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
	const op = "verify"
	l, err := current(ctx, i, op, ref)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(l.Claims, func(c Claim) bool { return Covers(c, path) }) {
		return fmt.Errorf("%w of %q, which no claim of it covers", &LostError{Op: op, Ref: ref, Err: ErrNotHolder}, path)
	}
	return nil
}

// current returns the active lease that ref proves to hold, or a [*LostError].
func current(ctx context.Context, i Inspector, op string, ref Ref) (Lease, error) {
	l, err := i.Get(ctx, ref.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return Lease{}, &LostError{Op: op, Ref: ref, Err: ErrNotFound}
	case err != nil:
		return Lease{}, err
	case l.Holder != ref.Holder || l.Token != ref.Token:
		return Lease{}, &LostError{Op: op, Ref: ref, Err: ErrNotHolder}
	case l.Status != Active:
		return Lease{}, endedError(op, ref, l)
	}
	return l, nil
}

// endedError says to the holder how the lease ended.
func endedError(op string, ref Ref, l Lease) *LostError {
	return &LostError{
		Op: op, Ref: ref, Err: l.EndReason.Err(),
		Successor: l.ReplacedBy, Actor: l.Revoked.Actor, Reason: l.Revoked.Reason,
	}
}
