package backend

import (
	"context"
	"errors"

	"github.com/leasekit/leasekit/lease"
)

// errorLabels are the words for errors, the first that fits first.
var errorLabels = []struct {
	err  error
	word string
}{
	{lease.ErrDeadlock, "deadlock"},
	{lease.ErrTimeout, "timeout"},
	{lease.ErrClosed, "closed"},
	{context.Canceled, "cancelled"},
	{context.DeadlineExceeded, "timeout"},
	{lease.ErrConflict, "conflict"},
	{lease.ErrExpired, "expired"},
	{lease.ErrReleased, "released"},
	{lease.ErrRevoked, "revoked"},
	{lease.ErrReplaced, "replaced"},
	{lease.ErrNotHolder, "not_holder"},
	{lease.ErrNotFound, "not_found"},
	{lease.ErrQuota, "quota"},
	{lease.ErrRenewalLimit, "renewal_limit"},
	{lease.ErrInvalid, "invalid"},
	{lease.ErrDisabled, "disabled"},
	{lease.ErrTrimmed, "trimmed"},
	{lease.ErrVersion, "version"},
	{lease.ErrRegressed, "regressed"},
	{lease.ErrUnavailable, "unavailable"},
}

// ErrorLabel returns the one word that metrics and logs use for an error:
// "ok" for nil, "conflict", "timeout" (of the request or of the caller's
// context), "deadlock", "cancelled", "expired", "unavailable" and so on, and
// "other" for what is no error of package lease. Callers may rely on the words
// being few and lasting.
func ErrorLabel(err error) string {
	if err == nil {
		return "ok"
	}
	// By far the most frequent one needs no search.
	if c, ok := errors.AsType[*lease.ConflictError](err); ok && c.Err == nil {
		return "conflict"
	}
	for _, l := range errorLabels {
		if errors.Is(err, l.err) {
			return l.word
		}
	}
	return "other"
}

// ErrorLabels returns every word that [ErrorLabel] returns, "ok" first.
func ErrorLabels() []string {
	words := []string{"ok"}
	seen := map[string]bool{}
	for _, l := range errorLabels {
		if !seen[l.word] {
			seen[l.word] = true
			words = append(words, l.word)
		}
	}
	return append(words, "other")
}

// StoreFailure reports whether an error that a Store returned is the store's
// fault: it is out of reach, or too slow. A call that its caller cancelled, or
// that Close ended, is none, and neither is a reply of the store that is an
// error ([lease.ErrVersion], say).
func StoreFailure(err error) bool {
	switch ErrorLabel(err) {
	case "timeout", "unavailable", "other", "regressed":
		return true
	}
	return false
}
