// Package exit gives errors the exit status of the process, a code for
// programs, and the next step for people.
package exit

import (
	"context"
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// The exit statuses of the command's own.
const (
	OK          = 0
	Failed      = 1  // anything else
	Usage       = 64 // the command line is wrong
	Unavailable = 69 // the store is out of reach
	NotObtained = 75 // the lease was not obtained
	Lost        = 76 // the lease was lost
)

// Error is an error with what the process does about it.
type Error struct {
	Status int
	Code   string // for programs: "conflict", "unavailable", ...
	Next   string // for people: what to do now; may be empty
	Err    error  // nil: the process ends without a word
}

// Error returns the text of the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Status)
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Silently ends the process with a status and without a word.
func Silently(status int) error {
	if status == OK {
		return nil
	}
	return &Error{Status: status}
}

// Usagef is a wrong command line.
func Usagef(format string, args ...any) error {
	return &Error{Status: Usage, Code: "usage", Err: fmt.Errorf(format, args...)}
}

// Of returns the error's status, code and next step. Nil is OK.
func Of(err error) *Error {
	if err == nil {
		return &Error{Status: OK}
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	for _, k := range known {
		if errors.Is(err, k.is) {
			return &Error{Status: k.status, Code: k.code, Next: k.next, Err: err}
		}
	}
	var unusable *open.Error
	if errors.As(err, &unusable) {
		return &Error{Status: Unavailable, Code: "unavailable", Next: nextOpen(unusable), Err: err}
	}
	return &Error{Status: Failed, Code: "failed", Err: err}
}

// known are the errors of the library, the most telling first: one error may be
// several of them.
var known = []struct {
	is     error
	status int
	code   string
	next   string
}{
	{open.ErrConsent, Unavailable, "consent", "look at the file, then run: leasekit allow"},
	{open.ErrName, Usage, "usage", "leasekit --help"},
	{open.ErrConfig, Unavailable, "config", "mend the file, or name a store with --store"},
	{lease.ErrDeadlock, NotObtained, "deadlock", "release what you hold, then ask for everything at once"},
	{lease.ErrTimeout, NotObtained, "timeout", "leasekit why PATH shows who is in the way; -w waits longer"},
	{lease.ErrConflict, NotObtained, "conflict", "leasekit why PATH shows who is in the way; run waits in line without -n"},
	{lease.ErrQuota, NotObtained, "quota", "release a lease of this holder, or raise max_leases_per_holder"},
	{lease.ErrDisabled, NotObtained, "disabled", "leasekit config get shows what is switched off"},
	{lease.ErrRegressed, Unavailable, "regressed", "make sure that nobody relies on a lease from before; then acknowledge it"},
	{lease.ErrRenewalLimit, Lost, "renewal_limit", "acquire a new lease before this one ends"},
	{lease.ErrExpired, Lost, "expired", "acquire it again; a longer --ttl outlasts longer pauses"},
	{lease.ErrRevoked, Lost, "revoked", "leasekit history --id ID shows who ended it, and why"},
	{lease.ErrReplaced, Lost, "replaced", "leasekit history --id ID shows what replaced it"},
	{lease.ErrReleased, Lost, "released", ""},
	{lease.ErrNotHolder, Lost, "not_holder", "use the ID, holder and token that acquire printed"},
	{lease.ErrNotFound, Lost, "not_found", "its end is no longer remembered, or there was none with this ID"},
	{lease.ErrLost, Lost, "lost", ""},
	{lease.ErrVersion, Failed, "version", "read the configuration again, then set it"},
	{lease.ErrTrimmed, Failed, "trimmed", "begin at the oldest event that is kept: --after 0"},
	{lease.ErrInvalid, Usage, "invalid", ""},
	{lease.ErrUnavailable, Unavailable, "unavailable", "check the store, then try again: leasekit doctor"},
	{lease.ErrClosed, Unavailable, "closed", ""},
	{context.Canceled, Failed, "cancelled", ""},
	{context.DeadlineExceeded, Unavailable, "unavailable", ""},
}
