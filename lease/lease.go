package lease

import (
	"encoding/json"
	"time"

	"github.com/leasekit/leasekit/internal/bootclock"
)

// ID names one request, and the lease it becomes. The client chooses it before
// its first attempt, so that a repeated attempt is the same request; the
// engine fills in [NewID] where it is empty. At most [MaxIDBytes] of valid
// UTF-8 without NUL.
//
// Do not use fixed IDs ("leader-1"): a request's ID is remembered after its
// end, and asking again with it answers that end for a while.
type ID string

// Token is a fencing token: strictly increasing over all grants of a
// namespace, for ever. Gaps are normal, only the order means anything. A
// renewal keeps the token; taking a path again gets a newer one. Zero is no
// token.
type Token uint64

// Seq is a place in a namespace's totally ordered history. Zero is before the
// first event.
type Seq uint64

// Now, as [Query.After], asks for new events only.
const Now = ^Seq(0)

// Ref is proof of ownership: Renew, Release, Replace and Verify ask for it. It protects against mistakes, not against
// malice: whoever can write to the store is trusted.
type Ref struct {
	ID     ID     `json:"id"`
	Holder string `json:"holder"`
	Token  Token  `json:"token"` // 0 ("any") is accepted by Release only
}

// Contention tells a holder who waits for what it holds.
type Contention struct {
	Waiters  int       `json:"waiters"`           // how many, capped at [MaxContention]
	Since    time.Time `json:"since,omitzero"`    // arrival of the one that has waited longest, by the store's clock
	Priority int       `json:"priority,omitzero"` // the highest among them
}

// Lease is a granted request, or one that waits (Status [Pending]) or has
// ended. It is a value: a copy of what the store said at one moment.
//
// The times are the store's clock, for people. To ask whether a lease still
// holds use [Lease.Valid] and [Lease.Remaining], which count by a local clock. A zero
// Lease, and one that came from JSON, is never valid.
type Lease struct {
	ID          ID
	Token       Token
	Holder      string
	Claims      []Claim
	Status      Status
	EndReason   EndReason // why it ended; empty while Pending or Active
	TTL         time.Duration
	Renewals    int // how often it was renewed
	MaxRenewals int // a number, or [Unlimited], or [NoRenewals]
	Priority    int
	Distinct    bool // the holder's own other leases and waiters count against it too
	Labels      map[string]string
	Replaced    ID         // the lease that this one replaced, or would
	ReplacedBy  ID         // the lease that replaced this one
	Parent      ID         // the lease under whose cover this one was taken
	Revoked     Revocation // who ended it by ForceRelease, and why

	CreatedAt time.Time // when the request first arrived
	GrantedAt time.Time // zero until granted
	ExpiresAt time.Time // end of a lease; of a waiter, when its place lapses unless asked for again
	UpdatedAt time.Time // the last change

	Waited     time.Duration // from the request's arrival to the grant
	Contention Contention    // filled by Renew and Get

	asked time.Duration // Clock at the start of the call that brought it
	lasts time.Duration // how long after asked it is valid
	known bool          // asked and lasts are set
}

// Ref returns the lease's proof of ownership.
func (l Lease) Ref() Ref { return Ref{ID: l.ID, Holder: l.Holder, Token: l.Token} }

// Clock reads the clock by which local deadlines count: the time since the
// machine started, suspend included. No step of the wall clock makes it jump.
// Only the difference of two readings in one process means anything.
func Clock() time.Duration { return bootclock.Now() }

// Deadline returns the local deadline: the time after which the lease must not
// be relied on. It is reckoned anew in each call, from what remains by [Clock],
// so it follows the wall clock: to wait for it, wait for [Lease.Remaining]. It
// is zero for a lease that is not active or that came from elsewhere than a
// Manager's reply to Acquire, TryAcquire, Renew, Get or List.
func (l Lease) Deadline() time.Time {
	if !l.measured() {
		return time.Time{}
	}
	return time.Now().Add(l.deadline() - Clock())
}

// Remaining returns how long the lease can still be relied on, 0 if it cannot:
// what remained by the store's clock when it answered, counted by [Clock] from
// the start of the call, minus a margin (see [Margin]). A machine that was
// suspended for longer wakes up with 0.
func (l Lease) Remaining() time.Duration {
	if !l.measured() {
		return 0
	}
	return max(0, l.deadline()-Clock())
}

// Valid reports whether the lease can still be relied on: Remaining() > 0.
// Once it is false, only a renewal makes the lease valid again.
func (l Lease) Valid() bool { return l.Remaining() > 0 }

// Measured returns the lease with its local deadline set: asked is [Clock] at
// the start of the call whose reply brought the lease, remaining is how long it
// still lasted by the store's clock when the store answered. Engines call it;
// users need not.
func (l Lease) Measured(asked, remaining time.Duration) Lease {
	l.asked, l.lasts, l.known = asked, remaining-Margin(remaining), true
	return l
}

// measured reports whether the lease is active and has a local deadline.
func (l Lease) measured() bool { return l.known && l.Status == Active }

// deadline is the local deadline by Clock.
func (l Lease) deadline() time.Duration { return l.asked + l.lasts }

// Margin is what is taken off a lease's remaining time before the holder may
// rely on it: a hundredth, at least 1 ms and at most 1 s. It covers the
// resolution of the clocks and their drift meanwhile.
func Margin(remaining time.Duration) time.Duration {
	return max(time.Millisecond, min(remaining/100, time.Second))
}

// leaseJSON is the JSON form of a Lease: durations are text ("1m30s").
type leaseJSON struct {
	ID          ID                `json:"id"`
	Token       Token             `json:"token,omitzero"`
	Holder      string            `json:"holder"`
	Claims      []Claim           `json:"claims"`
	Status      Status            `json:"status"`
	EndReason   EndReason         `json:"end_reason,omitzero"`
	TTL         durationText      `json:"ttl"`
	Renewals    int               `json:"renewals,omitzero"`
	MaxRenewals int               `json:"max_renewals,omitzero"`
	Priority    int               `json:"priority,omitzero"`
	Distinct    bool              `json:"distinct,omitzero"`
	Labels      map[string]string `json:"labels,omitempty"`
	Replaced    ID                `json:"replaced,omitzero"`
	ReplacedBy  ID                `json:"replaced_by,omitzero"`
	Parent      ID                `json:"parent,omitzero"`
	Revoked     Revocation        `json:"revoked,omitzero"`
	CreatedAt   time.Time         `json:"created_at,omitzero"`
	GrantedAt   time.Time         `json:"granted_at,omitzero"`
	ExpiresAt   time.Time         `json:"expires_at,omitzero"`
	UpdatedAt   time.Time         `json:"updated_at,omitzero"`
	Waited      durationText      `json:"waited,omitzero"`
	Contention  Contention        `json:"contention,omitzero"`
}

// MarshalJSON writes the lease for people and tools; its local deadline is
// not part of it.
func (l Lease) MarshalJSON() ([]byte, error) {
	return json.Marshal(leaseJSON{
		l.ID, l.Token, l.Holder, l.Claims, l.Status, l.EndReason, durationText(l.TTL),
		l.Renewals, l.MaxRenewals, l.Priority, l.Distinct, l.Labels, l.Replaced, l.ReplacedBy, l.Parent, l.Revoked,
		l.CreatedAt, l.GrantedAt, l.ExpiresAt, l.UpdatedAt, durationText(l.Waited), l.Contention,
	})
}

// UnmarshalJSON reads what MarshalJSON wrote. The result is never valid.
func (l *Lease) UnmarshalJSON(b []byte) error {
	var j leaseJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*l = Lease{
		ID: j.ID, Token: j.Token, Holder: j.Holder, Claims: j.Claims, Status: j.Status,
		EndReason: j.EndReason, TTL: time.Duration(j.TTL), Renewals: j.Renewals,
		MaxRenewals: j.MaxRenewals, Priority: j.Priority, Distinct: j.Distinct, Labels: j.Labels,
		Replaced: j.Replaced, ReplacedBy: j.ReplacedBy, Parent: j.Parent, Revoked: j.Revoked,
		CreatedAt: j.CreatedAt, GrantedAt: j.GrantedAt, ExpiresAt: j.ExpiresAt,
		UpdatedAt: j.UpdatedAt, Waited: time.Duration(j.Waited), Contention: j.Contention,
	}
	return nil
}

// durationText is a duration whose text form is that of [time.Duration.String].
type durationText time.Duration

func (d durationText) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).String()), nil
}

func (d *durationText) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = durationText(v)
	return err
}
