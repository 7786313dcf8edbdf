package fencefile

import (
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/lease"
)

// ErrStale: a newer token has been used on this path, so the caller's lease is
// over. Nothing was changed. Always carried by a [*StaleError].
var ErrStale = errors.New("stale token")

// ErrDamaged: what is remembered of a path cannot be read. Calls on that path
// fail until somebody has looked at the file that the error names.
var ErrDamaged = errors.New("damaged fence")

// StaleError is [ErrStale] with both tokens.
type StaleError struct {
	Op     string      // "write", "read" or "remove"
	Path   string      // in normal form, under the directory's root
	Token  lease.Token // the caller's
	Newest lease.Token // the newest that was used on the path
}

// Error names the path and both tokens.
func (e *StaleError) Error() string {
	return fmt.Sprintf("fencefile: %s %q: %v %d: %d has been used", e.Op, e.Path, ErrStale, e.Token, e.Newest)
}

// Unwrap returns [ErrStale].
func (e *StaleError) Unwrap() error { return ErrStale }
