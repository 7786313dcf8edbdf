package lease

import (
	"errors"
	"fmt"
	"time"
)

// The errors of this module, told apart by [errors.Is]. The typed errors below
// carry them, and data about them.
var (
	// ErrConflict: somebody else holds, or waits earlier for, what was asked.
	// Always carried by a [*ConflictError].
	ErrConflict = errors.New("conflict")
	// ErrTimeout: Request.Timeout ran out. It also is ErrConflict.
	ErrTimeout = errors.New("timed out")
	// ErrDeadlock: waiting would have been for ever, since the holders waited
	// for wait for the asker. It also is ErrConflict.
	ErrDeadlock = errors.New("deadlock")
	// ErrQuota: Config.MaxLeasesPerHolder is reached.
	ErrQuota = errors.New("quota reached")

	// ErrLost: the lease is gone. Every [*LostError] is it, along with one of
	// the six that follow.
	ErrLost = errors.New("lease lost")
	// ErrNotFound: no such lease, or its end is no longer remembered.
	ErrNotFound = errors.New("not found")
	// ErrNotHolder: the Ref's holder or token is not the lease's.
	ErrNotHolder = errors.New("not the holder")
	// ErrExpired: it was not renewed in time.
	ErrExpired = errors.New("expired")
	// ErrReleased: its holder released it, or gave up the place in line.
	ErrReleased = errors.New("released")
	// ErrRevoked: ForceRelease ended it. The LostError names actor and reason.
	ErrRevoked = errors.New("revoked")
	// ErrReplaced: another request replaced it. The LostError names its ID.
	ErrReplaced = errors.New("replaced")

	// ErrRenewalLimit: MaxRenewals is reached. The lease lasts until its expiry.
	ErrRenewalLimit = errors.New("renewal limit reached")
	// ErrInvalid: an argument is beyond a limit or malformed. Always carried by
	// an [*InvalidError], which names the field. Nothing was changed.
	ErrInvalid = errors.New("invalid")
	// ErrDisabled: Config switches this off (waiting, say).
	ErrDisabled = errors.New("disabled")
	// ErrTrimmed: the events after Query.After are no longer kept. Always
	// carried by a [*TrimmedError].
	ErrTrimmed = errors.New("history trimmed")
	// ErrVersion: SetConfig lost the race against another one.
	ErrVersion = errors.New("version changed")
	// ErrRegressed: the store's token counter went backwards (a restored
	// backup, a stale replica, a wiped server); nothing is granted until an
	// operator acknowledges it.
	ErrRegressed = errors.New("token counter went backwards")
	// ErrClosed: the Manager is closed.
	ErrClosed = errors.New("closed")
	// ErrUnavailable: the store is out of reach or an outcome is unknown.
	// Always carried by an [*UnavailableError], which keeps the cause.
	ErrUnavailable = errors.New("store unavailable")
)

// InvalidError is [ErrInvalid] with the field that is wrong.
type InvalidError struct {
	Field   string // "path", "ttl", "holder", ...
	Problem string // what is wrong with it, and the limit
}

// Invalid returns an [*InvalidError] for the field.
func Invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// Error names the field and the problem.
func (e *InvalidError) Error() string { return "lease: invalid " + e.Field + ": " + e.Problem }

// Unwrap returns [ErrInvalid].
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// LostError says that a lease or a place in line is gone, and why.
type LostError struct {
	Op        string // "renew", "release", "acquire", ...
	Ref       Ref    // as the caller gave it
	Err       error  // ErrNotFound, ErrNotHolder, ErrExpired, ErrReleased, ErrRevoked or ErrReplaced
	Successor ID     // of ErrReplaced: the lease that replaced it
	Actor     string // of ErrRevoked: who
	Reason    string // of ErrRevoked: why
}

// Error says which lease was lost, and why.
func (e *LostError) Error() string {
	s := fmt.Sprintf("lease: %s %q for %s: %v", e.Op, e.Ref.ID, e.Ref.Holder, e.Err)
	if e.Successor != "" {
		s += fmt.Sprintf(" by %q", e.Successor)
	}
	if e.Actor != "" {
		s += " by " + e.Actor
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// Unwrap returns [ErrLost] and e.Err.
func (e *LostError) Unwrap() []error { return []error{e.Err, ErrLost} }

// TrimmedError is [ErrTrimmed] with where the history now begins.
type TrimmedError struct {
	After  Seq // what was asked for
	Oldest Seq // the oldest kept event
}

// Error names both places.
func (e *TrimmedError) Error() string {
	return fmt.Sprintf("lease: history after %d: %v: the oldest kept event is %d", e.After, ErrTrimmed, e.Oldest)
}

// Unwrap returns [ErrTrimmed].
func (e *TrimmedError) Unwrap() error { return ErrTrimmed }

// UnavailableError is [ErrUnavailable] with its cause.
type UnavailableError struct {
	Op  string // what was being done
	Err error  // the driver's or the context's error
}

// Error names the operation and the cause.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("lease: %s: %v: %v", e.Op, ErrUnavailable, e.Err)
}

// Unwrap returns [ErrUnavailable] and the cause.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Err} }

// QuotaError is [ErrQuota] with the holder and the limit.
type QuotaError struct {
	Holder string
	Limit  int // Config.MaxLeasesPerHolder
}

// Error names the holder and the limit.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("lease: acquire for %s: %v: %d leases and waiters a holder", e.Holder, ErrQuota, e.Limit)
}

// Unwrap returns [ErrQuota].
func (e *QuotaError) Unwrap() error { return ErrQuota }

// ConflictError says why a request was not granted: who is in the way, and
// when it is worth asking again. Every one is [ErrConflict]; one whose Err is
// set also is that: [ErrTimeout], [ErrDeadlock], or the error of a context
// that ended while waiting.
type ConflictError struct {
	Op         string // "acquire" or "try acquire"
	ID         ID     // of the request
	Holder     string
	Claims     []Claim
	Blockers   []Blocker     // at most [MaxBlockers] of them
	Count      int           // how many there are, capped at [MaxContention]
	Position   int           // place in line: 1 is the next; 0 if the request has no place
	RetryAfter time.Duration // when the last of the blockers ends if nothing else happens; 0 if unknown
	Cycle      []string      // of ErrDeadlock: the holders that wait for each other, the asker first
	Err        error         // nil, ErrTimeout, ErrDeadlock, or the context's error
}

// Blocker is a lease or an earlier waiter that is in the way of a request. It
// shows no token.
type Blocker struct {
	ID        ID
	Holder    string
	Asked     Claim     // the claim of the request that clashed
	Held      Claim     // the claim it clashed with
	Claims    []Claim   // all claims of the blocker
	Waiting   bool      // it is an earlier waiter, not a lease
	ExpiresAt time.Time // by the store's clock: the lease's expiry, or when the waiter's place lapses
}

// Error names the first blocker, and how many there are.
func (e *ConflictError) Error() string {
	s := fmt.Sprintf("lease: %s %s for %s", e.Op, describe(e.Claims), e.Holder)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if len(e.Cycle) > 0 {
		s += fmt.Sprintf(": %q wait for each other", e.Cycle)
	}
	if len(e.Blockers) == 0 {
		if e.Err == nil {
			s += ": " + ErrConflict.Error()
		}
		return s
	}
	b := e.Blockers[0]
	verb := "held"
	if b.Waiting {
		verb = "waited for"
	}
	s += fmt.Sprintf(": %s is %s by %s until %s", b.Held, verb, b.Holder, b.ExpiresAt.Format(time.RFC3339))
	if e.Count > 1 {
		s += fmt.Sprintf(", and %d more", e.Count-1)
	}
	return s
}

// Unwrap returns [ErrConflict] and e.Err.
func (e *ConflictError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrConflict}
	}
	return []error{ErrConflict, e.Err}
}

func describe(claims []Claim) string {
	switch len(claims) {
	case 0:
		return "nothing"
	case 1:
		return fmt.Sprintf("%q", claims[0].String())
	}
	return fmt.Sprintf("%q and %d more", claims[0].String(), len(claims)-1)
}
