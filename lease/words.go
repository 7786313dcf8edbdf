package lease

import "fmt"

// Mode says whether a claim excludes all others or only exclusive ones.
type Mode uint8

// The modes of a claim. Text and JSON forms: "exclusive", "shared".
const (
	Exclusive Mode = iota // nobody else, the zero value
	Shared                // others that share, nobody exclusive
)

// Scope says how far down a claim reaches.
type Scope uint8

// The scopes of a claim. Text and JSON forms: "exact", "tree".
const (
	Exact Scope = iota // the path itself, the zero value
	Tree               // the path and everything below: "a" covers "a" and "a/b", never "ab"
)

// Status is where a request stands.
type Status uint8

// The statuses. Text and JSON forms: "pending", "active", "expired",
// "released", "failed".
const (
	Pending  Status = iota // it waits in line
	Active                 // it is a lease
	Expired                // it was a lease, and was not renewed in time
	Released               // it was a lease, and ended by its holder (also by being replaced)
	Failed                 // it was never granted, or was taken back (withdrawn, lapsed, revoked)
)

// EndReason says why a request or lease ended. It is empty until then.
type EndReason string

// The reasons for an end.
const (
	EndReleased    EndReason = "released"    // by its holder
	EndExpired     EndReason = "expired"     // not renewed in time
	EndRevoked     EndReason = "revoked"     // by ForceRelease
	EndReplaced    EndReason = "replaced"    // by a request of the same holder that named it in Replace
	EndTransferred EndReason = "transferred" // the same, by a request of another holder
	EndLapsed      EndReason = "lapsed"      // a place in line that was not asked for again in time
	EndTimeout     EndReason = "timeout"     // withdrawn: Request.Timeout ran out
	EndCancelled   EndReason = "cancelled"   // withdrawn: the caller's context ended, or the place was given up
	EndDeadlock    EndReason = "deadlock"    // withdrawn: waiting on would have been for ever
)

// Err is the error for a holder whose lease, or place in line, ended for this
// reason: [ErrReleased], [ErrExpired], [ErrRevoked] or [ErrReplaced], and
// [ErrNotFound] for what was withdrawn, as if it had never been.
func (r EndReason) Err() error {
	switch r {
	case EndReleased:
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

var (
	modeNames   = []string{"exclusive", "shared"}
	scopeNames  = []string{"exact", "tree"}
	statusNames = []string{"pending", "active", "expired", "released", "failed"}
)

// String returns the mode's text form.
func (m Mode) String() string { return name(modeNames, m) }

// String returns the scope's text form.
func (s Scope) String() string { return name(scopeNames, s) }

// String returns the status's text form.
func (s Status) String() string { return name(statusNames, s) }

// Ended reports whether nothing can change any more: neither Pending nor Active.
func (s Status) Ended() bool { return s > Active }

// MarshalText returns the mode's text form, or [ErrInvalid].
func (m Mode) MarshalText() ([]byte, error) { return marshal("mode", modeNames, m) }

// MarshalText returns the scope's text form, or [ErrInvalid].
func (s Scope) MarshalText() ([]byte, error) { return marshal("scope", scopeNames, s) }

// MarshalText returns the status's text form, or [ErrInvalid].
func (s Status) MarshalText() ([]byte, error) { return marshal("status", statusNames, s) }

// UnmarshalText reads a mode's text form; anything else is [ErrInvalid].
func (m *Mode) UnmarshalText(b []byte) error { return unmarshal("mode", modeNames, m, b) }

// UnmarshalText reads a scope's text form; anything else is [ErrInvalid].
func (s *Scope) UnmarshalText(b []byte) error { return unmarshal("scope", scopeNames, s, b) }

// UnmarshalText reads a status's text form; anything else is [ErrInvalid].
func (s *Status) UnmarshalText(b []byte) error { return unmarshal("status", statusNames, s, b) }

func name[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%d", v)
}

func marshal[T ~uint8](field string, names []string, v T) ([]byte, error) {
	if int(v) >= len(names) {
		return nil, Invalid(field, "no such value: %d", v)
	}
	return []byte(names[v]), nil
}

func unmarshal[T ~uint8](field string, names []string, v *T, b []byte) error {
	for i, n := range names {
		if n == string(b) {
			*v = T(i)
			return nil
		}
	}
	return Invalid(field, "no such value: %q", b)
}
