package rules

import (
	"slices"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// Tx is a store's transaction, as a Step sees it. Nothing of it may be visible
// to others before it commits, and nothing may remain of it if it does not.
// Records are the caller's to change once returned; slices of them are in
// order, without duplicates. It is not safe for concurrent use.
type Tx interface {
	// Load is called once, first. It returns what a step begins from. The
	// transaction has its lock by then, and reads its clock last.
	Load() (State, error)

	// Find returns the record with this ID, whatever its status; nil if none.
	Find(id lease.ID) (*Record, error)

	// Put inserts a record, or replaces the one with its ID.
	Put(r *Record) error

	// Update writes back a record that Find or another method returned, which
	// had this status then. Its ID, Holder, Claims, Labels and Replace have not
	// changed.
	Update(r *Record, was lease.Status) error

	// Relabel is Update of a record that is and was Active, and whose Labels may
	// have changed.
	Relabel(r *Record) error

	// Leases returns records recorded as Active with a claim that conflicts
	// with one of o.Claims, by arrival. Those whose time is over are included.
	Leases(o Overlap) ([]*Record, error)

	// Waiters returns records recorded as Pending with a claim that conflicts
	// with one of o.Claims, by place. Those that have lapsed are included.
	Waiters(o Overlap) ([]*Record, error)

	// Count returns how many records of a holder are recorded as Active or
	// Pending and have a Deadline after now.
	Count(holder string, now int64) (int, error)

	// LeasesOf returns up to limit of a holder's records recorded as Active, by
	// arrival.
	LeasesOf(holder string, limit int) ([]*Record, error)

	// WaitersOf returns up to limit of a holder's records recorded as Pending,
	// by place.
	WaitersOf(holder string, limit int) ([]*Record, error)

	// Dependents returns up to limit of the records recorded as Pending whose
	// Replace or Parent names this lease, by place.
	Dependents(id lease.ID, limit int) ([]*Record, error)

	// Chained returns up to limit of the records recorded with this status
	// (Active or Pending) that have this lease in their Chain, by arrival.
	Chained(id lease.ID, status lease.Status, limit int) ([]*Record, error)

	// Gone reports whether it is certain that nobody will ask again for the
	// places that this client keeps (Record.Client). A store that cannot know
	// returns false. It is asked at most once for each client in a step.
	Gone(client string) bool

	// Select returns up to limit records recorded as Active or Pending that the
	// query's ID, Holder, Path and Under match ([lease.Query.Matches]), and its
	// Status, if any, by arrival, those after this arrival only.
	Select(q lease.Query, after int64, limit int) ([]*Record, error)

	// Due returns up to limit records recorded as Active or Pending whose
	// Deadline is not after now, by Deadline.
	Due(now int64, limit int) ([]*Record, error)

	// Append writes an event. Its Seq is one more than the last one's.
	Append(e lease.Event) error

	// EndedAt returns the ended records that ended at this moment, by arrival.
	EndedAt(moment int64) ([]*Record, error)

	// AddTombstone remembers a name, of a withdrawn attempt, say, until then;
	// Tombstone returns until when, 0 if it does not remember it.
	AddTombstone(name string, until int64) error
	Tombstone(name string) (until int64, err error)

	// Forget removes ended records, oldest end first, and returns how many.
	// Tombstones whose time is over go too, uncounted.
	Forget(f Forget) (int, error)

	// Trim removes up to limit events, oldest first: those recorded at or
	// before this moment, and those beyond the newest keep (if keep > 0).
	Trim(before int64, keep, limit int) (int, error)

	// SetConfig stores the configuration.
	SetConfig(c lease.Config) error

	// Notify hints, after the commit, that this waiter may now be granted.
	Notify(id lease.ID)
}

// Counters is what a namespace has one of. The zero value is a new namespace's.
type Counters struct {
	Seq        lease.Seq   // of the newest event
	Token      lease.Token // the newest handed out
	Arrivals   int64       // the newest Record.Arrival
	Waiting    int         // records recorded as Pending
	Tombstones int64       // until when some withdrawn attempt is remembered
	Subleases  int         // records recorded as Active or Pending that have a Parent
	Now        int64       // the highest now that a step has used, ms
	Refused    uint64      // refusals of tries without a place
}

// State is what a step begins from.
type State struct {
	// Counters are changed by the step in place; the transaction saves them with
	// it. That Now and Refused alone have changed is no reason to write.
	Counters *Counters
	Config   lease.Config

	// Clock is the store's clock, read after the transaction had its lock. It
	// never has to be corrected: a step uses Counters.Now where that is later.
	Clock time.Time

	// Client names who asks, for Record.Client; "" where the store never knows
	// that somebody is gone.
	Client string

	// MaxEnds is how many leases and waiters the step may end before it replies
	// Again; 0 means 100. A store whose transactions are bounded in size lowers it
	// for a step that was too large.
	MaxEnds int

	// Dates is what is added to the store's clock to show it to people.
	Dates time.Duration

	// Cover is the lease under which all of the namespace lies, if it is a part of
	// another one (package delegate); nil if it is not.
	Cover *Cover
}

// Cover is a lease of another namespace. All claims lie within its claims, and no
// lease lasts longer.
type Cover struct {
	Claims []lease.Claim
	Until  int64       // its end by the store's clock, ms
	Token  lease.Token // of what the step grants, greater than Counters.Token; 0: none is left, and the step replies Again
}

func (c *Cover) contains(claim lease.Claim) bool {
	return slices.ContainsFunc(c.Claims, func(p lease.Claim) bool { return contains(p, claim) })
}

// spent reports whether no token is left.
func (c *Cover) spent() bool { return c != nil && c.Token == 0 }

// clock returns the time of a step in milliseconds, rounded down and up: the
// reading, but never below what was used before.
func (s *State) clock() (now, up int64) {
	now = s.Clock.UnixMilli()
	up = now
	if s.Clock.After(time.UnixMilli(now)) {
		up++
	}
	return max(now, s.Counters.Now), max(up, s.Counters.Now)
}

// Overlap selects records that conflict with one of several claims.
type Overlap struct {
	Claims []lease.Claim
	Skip   string // a holder whose records are left out; "" for none
	Only   string // Leases: the only holder whose records count; "" for all
	Shared bool   // Waiters: only those with a shared claim that conflicts
	Before *Place // Waiters: only those before
	After  *Place // Waiters: only those after
	Limit  int    // the first so many
	Any    bool   // Leases: any so many will do
}

// Selects reports whether a record that is recorded as Active, or as Pending, is
// one of those that o asks for, but for Limit.
func (o Overlap) Selects(r *Record) bool {
	return (o.Skip == "" || r.Holder != o.Skip) && (o.Only == "" || r.Holder == o.Only) &&
		(o.Before == nil || r.Place().Before(*o.Before)) && (o.After == nil || o.After.Before(r.Place())) &&
		slices.ContainsFunc(r.Claims, func(c lease.Claim) bool {
			return (!o.Shared || c.Mode == lease.Shared) &&
				slices.ContainsFunc(o.Claims, func(asked lease.Claim) bool { return lease.Conflict(asked, c) })
		})
}

// Forget selects ended records: up to Limit of those that ended at or before
// Before, and of those beyond the newest Keep that ended at or before Spare.
type Forget struct {
	Before, Spare int64 // Before <= Spare
	Keep, Limit   int
	Now           int64 // tombstones until then are over
}
