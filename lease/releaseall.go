package lease

import (
	"context"
	"errors"
	"sync/atomic"
)

// ReleaseAll releases what q selects of what a holder has, leases and places in
// line, and returns how many those were. The query names the holder; with
// nothing else it selects everything. What ended meanwhile by itself is no error;
// other errors are returned together, and one of them does not keep the rest:
// if only some could be listed, those are released, and the error says so.
// Unlike ForceRelease it is the holder's own doing, so it needs no actor.
//
// End the holder's calls of Acquire first: one that still waits when its place
// is released asks for another.
//
// What a [Keeper] keeps is released by [Keeper.ReleaseAll].
func ReleaseAll(ctx context.Context, m interface {
	Acquirer
	Inspector
}, q Query) (int, error) {
	if q.Holder == "" {
		return 0, Invalid("holder", "empty")
	}
	var all []Lease
	var unlisted error
	for l, err := range m.List(ctx, q) {
		if err != nil {
			unlisted = err
			break
		}
		if !l.Status.Ended() {
			all = append(all, l)
		}
	}
	var released atomic.Int64
	err := forEach(defaultConcurrency, all, func(l Lease) error {
		err := m.Release(ctx, Ref{ID: l.ID, Holder: q.Holder})
		if err == nil {
			released.Add(1)
		}
		if errors.Is(err, ErrLost) {
			return nil
		}
		return err
	})
	return int(released.Load()), joined(unlisted, err)
}
