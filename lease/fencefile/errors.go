package fencefile

import (
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/lease"
)

var (
	// ErrStale: a newer token has been used on this path, so the caller's lease
	// is over; or the same token, by another lease. Nothing was changed. Always
	// carried by a [*StaleError].
	ErrStale = errors.New("stale token")

	// ErrDamaged: what is remembered of a path cannot be read, or what stands in
	// its place was not made by this package: a symbolic link, say. Calls on that
	// path fail until somebody has looked at what the error names.
	ErrDamaged = errors.New("damaged fence")

	// ErrMoved: the directory was renamed or removed, and its path leads to
	// another one or to none. The Dir is of no use any more: open another one.
	ErrMoved = errors.New("the directory is no longer at its path")
)

// StaleError is [ErrStale] with both tokens.
type StaleError struct {
	Op     string      // "write", "read" or "remove"
	Path   string      // in normal form, under the directory's root
	Token  lease.Token // the caller's
	Newest lease.Token // the newest that was used on the path; equal to Token: by another lease
}

// Error names the path and both tokens.
func (e *StaleError) Error() string {
	if e.Token == e.Newest {
		return fmt.Sprintf("fencefile: %s %q: %v %d: another lease has used the same one: they are of two stores, or of a store and its copy",
			e.Op, e.Path, ErrStale, e.Token)
	}
	return fmt.Sprintf("fencefile: %s %q: %v %d: %d has been used", e.Op, e.Path, ErrStale, e.Token, e.Newest)
}

// Unwrap returns [ErrStale].
func (e *StaleError) Unwrap() error { return ErrStale }
