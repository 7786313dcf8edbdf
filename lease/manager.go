package lease

import (
	"context"
	"io"
	"iter"
	"time"
)

// Acquirer is what a holder needs. All methods may be called concurrently.
type Acquirer interface {
	// TryAcquire answers at once: a lease, or a *ConflictError that says who is
	// in the way. With QueueTTL and an ID it also keeps a place in line, which
	// the answer's Position tells, and which asking again with the same ID
	// keeps; Release gives it up.
	TryAcquire(ctx context.Context, r Request) (Lease, error)

	// Acquire waits in line, fairly, until the request is granted, its Timeout
	// (Config.AcquireTimeout, 30 seconds, unless it has one of its own) has run
	// out (ErrTimeout), or ctx ends: a ctx without a deadline does not make it
	// wait for ever, NoTimeout does. A wait outlasts a store that is
	// out of reach for as long as its place in line lasts: Config.WaiterTTL, or
	// the TTL if that is shorter, but a second at least. After that it gives up
	// with ErrUnavailable whatever its Timeout. It has three outcomes: granted; certainly not granted; unknown
	// (ErrUnavailable, or ctx ended in mid-call), and then the attempt is
	// withdrawn in the background, so that it can never be granted late.
	Acquire(ctx context.Context, r Request) (Lease, error)

	// Renew moves the expiry to now + ttl; 0 is the lease's own TTL and never
	// moves it backwards. ErrLost if the lease is gone, ErrRenewalLimit if it
	// may not be renewed again.
	Renew(ctx context.Context, ref Ref, ttl time.Duration) (Lease, error)

	// SetLabels gives an active lease these labels instead of all that it has.
	// Token, expiry and renewals stay as they are; the history tells of it
	// (KindRelabelled). ErrLost if the lease is gone.
	SetLabels(ctx context.Context, ref Ref, labels map[string]string) (Lease, error)

	// Release ends the lease, or gives up the place in line. Releasing again
	// what this Ref already released is nil; every other lease that is gone is
	// ErrLost. A Token of 0 releases whatever the ID and holder have now. It
	// does its work even if ctx has ended.
	Release(ctx context.Context, ref Ref) error
}

// Inspector reads. It never changes anything. All methods may be called
// concurrently. An iterator yields at most one error, last.
type Inspector interface {
	// Get returns the request or lease with this ID, also when it has ended, as
	// long as that is remembered (Config.EndedRetention); else ErrNotFound.
	Get(ctx context.Context, id ID) (Lease, error)

	// List yields leases and waiters, oldest request first. It reads page by
	// page: what is active throughout appears exactly once, what changes
	// meanwhile may or may not.
	List(ctx context.Context, q Query) iter.Seq2[Lease, error]

	// History yields the events after q.After that there are now, oldest
	// first. ErrTrimmed if the first of them are no longer kept.
	History(ctx context.Context, q Query) iter.Seq2[Event, error]

	// Watch yields the events after q.After and goes on with new ones until ctx
	// ends (whose error it yields), the Manager is closed, or the caller
	// stops. It retries ErrUnavailable itself; ErrTrimmed if it fell behind.
	Watch(ctx context.Context, q Query) iter.Seq2[Event, error]

	// Stats counts. Read its Head, List, then Watch from Head to follow the
	// state without a gap.
	Stats(ctx context.Context) (Stats, error)
}

// Admin is for operators. All methods may be called concurrently.
type Admin interface {
	// ForceRelease ends the leases that q selects and withdraws the matching
	// waiters, whoever holds them, and returns what it ended. Their holders get
	// ErrRevoked with the actor and the reason. A query without ID, Holder,
	// Path and Under needs All. A tree lease that only q.Path reaches makes the
	// call ErrInvalid with nothing changed: name it by ID, Holder or Under.
	ForceRelease(ctx context.Context, q Query, r Revocation) ([]Lease, error)

	// Sweep records the end of expired leases and dead waiters, and forgets
	// history and ended leases past their retention. It is housekeeping: an
	// expired lease never blocks, swept or not.
	Sweep(ctx context.Context) (SweepResult, error)

	// Config returns the namespace's configuration.
	Config(ctx context.Context) (Config, error)

	// SetConfig sets it if c.Version is still the current one, else ErrVersion,
	// and returns it with its new Version. ErrInvalid names a bad field.
	SetConfig(ctx context.Context, c Config) (Config, error)
}

// Manager is everything. Close stops it: calls that wait end with ErrClosed,
// and so does every later call. A call that the store has not answered half a
// second later ends too, with ErrClosed and ErrUnavailable; Close returns within
// a second or so, whatever the store does. Leases are not released by Close;
// they end by themselves.
type Manager interface {
	Acquirer
	Inspector
	Admin
	io.Closer
}

// Revocation says who force-releases, and why. Both are written to the history and
// told to the holders. Actor is required.
type Revocation struct {
	Actor  string `json:"actor"`
	Reason string `json:"reason,omitempty"`
}

// Stats is a namespace at one moment.
type Stats struct {
	Now          time.Time `json:"now"`                    // the store's clock
	Active       int       `json:"active"`                 // leases that hold
	Pending      int       `json:"pending"`                // waiters in line
	OldestWaiter time.Time `json:"oldest_waiter,omitzero"` // arrival of the waiter that has waited longest
	Head         Seq       `json:"head"`                   // the newest event, 0 if there was none
	Oldest       Seq       `json:"oldest"`                 // the oldest kept event, 0 if none is kept
	Token        Token     `json:"token"`                  // the newest token handed out
	Refused      uint64    `json:"refused"`                // refusals of TryAcquire; other processes' newest may be missing
}

// SweepResult counts what a sweep did.
type SweepResult struct {
	Expired   int `json:"expired"`   // leases whose expiry it recorded
	Lapsed    int `json:"lapsed"`    // dead waiters it removed
	Forgotten int `json:"forgotten"` // ended leases no longer remembered
	Trimmed   int `json:"trimmed"`   // events no longer kept
}
