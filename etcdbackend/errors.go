package etcdbackend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/leasekit/leasekit/lease"
)

// ErrNewerLayout says that another version of this package has stored the
// namespace in a form that this one does not know.
var ErrNewerLayout = errors.New("etcdbackend: the namespace has a layout that is not known")

// ErrClockSkew is what every [ClockSkewError] is.
var ErrClockSkew = errors.New("the clocks differ by too much")

// ClockSkewError says that this machine's clock and another's are further apart
// than Options.MaxSkew. Nothing is granted or renewed as long as that lasts.
type ClockSkewError struct {
	Skew    time.Duration // how far the other's clock is ahead of ours, at least; below 0 it is behind
	MaxSkew time.Duration // that was allowed
}

// Error tells both.
func (e *ClockSkewError) Error() string {
	return fmt.Sprintf("etcdbackend: another machine's clock is %v from ours, and may be %v: set this machine's clock", e.Skew, e.MaxSkew)
}

// Is reports whether target is [ErrClockSkew].
func (e *ClockSkewError) Is(target error) bool { return target == ErrClockSkew }

var (
	errNamespaceGone = fmt.Errorf("%w: the namespace's keys have been deleted", lease.ErrRegressed)
	errRestored      = fmt.Errorf("%w, or the newest transactions are missing: a backup was restored", lease.ErrRegressed)
	errMissed        = errors.New("the watch has left out a transaction")
	errNotOurs       = errors.New("etcdbackend: what the watch tells cannot be followed")
	errWatchEnded    = errors.New("etcdbackend: the watch ended")
	errTooLarge      = errors.New("etcdbackend: the transaction is larger than Options.MaxTxnBytes")
	errNotCommitted  = errors.New("etcdbackend: not committed")
)

// isFinal reports whether an error is about what is stored, so that trying again
// is of no use.
func isFinal(err error) bool {
	return errors.Is(err, lease.ErrRegressed) || errors.Is(err, ErrNewerLayout)
}

// certain reports whether a transaction that ended with this error has had no
// effect, and will have none.
func certain(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	switch code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.ResourceExhausted, codes.OutOfRange, codes.Unimplemented:
		return true
	}
	return false
}

func code(err error) codes.Code {
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		return e.Code()
	}
	return status.Code(err)
}

// unavailable is the error of a store that is out of reach, or of an outcome
// that is not known.
func unavailable(op string, err error) error {
	if errors.Is(err, lease.ErrUnavailable) || errors.Is(err, lease.ErrClosed) || isFinal(err) || errors.Is(err, lease.ErrInvalid) {
		return err
	}
	return &lease.UnavailableError{Op: op, Err: err}
}
