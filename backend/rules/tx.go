package rules

import "github.com/leasekit/leasekit/lease"

// Tx is a store's transaction, as a Step sees it. Nothing of it may be visible
// to others before it commits, and nothing may remain of it if it does not.
// Records are the caller's to change once returned; slices of them are in
// order, without duplicates. It is not safe for concurrent use.
type Tx interface {
	// Load returns the namespace's counters, which the step changes in place
	// and the transaction saves with it, and its configuration. Now and Refused
	// alone are no reason to write; what is not written must not be forgotten
	// by this handle (see [Latest]).
	Load() (*Counters, lease.Config, error)

	// Find returns the record with this ID, whatever its status; nil if none.
	Find(id lease.ID) (*Record, error)

	// Put inserts a record, or replaces the one with its ID.
	Put(r *Record) error

	// Update writes back a record that Find or another method returned, which
	// had this status then. Its ID, Holder, Claims, Labels and Replace have not
	// changed.
	Update(r *Record, was lease.Status) error

	// Leases returns records recorded as Active with a claim that conflicts
	// with o.Claim, by arrival. Those whose time is over are included.
	Leases(o Overlap) ([]*Record, error)

	// Waiters returns records recorded as Pending with a claim that conflicts
	// with o.Claim, by place. Those that have lapsed are included.
	Waiters(o Overlap) ([]*Record, error)

	// LeasesOf returns up to limit of a holder's records recorded as Active, by
	// arrival.
	LeasesOf(holder string, limit int) ([]*Record, error)

	// WaitersOf returns up to limit (0: all) of a holder's records recorded as
	// Pending, by place.
	WaitersOf(holder string, limit int) ([]*Record, error)

	// Replacing returns the records recorded as Pending whose Replace names
	// this lease, by place.
	Replacing(id lease.ID) ([]*Record, error)

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

	// AddTombstone remembers a name, of a withdrawn attempt, say, at least until then;
	// Tombstone returns until when, 0 if it does not remember it.
	AddTombstone(name string, until int64) error
	Tombstone(name string) (until int64, err error)

	// Forget removes up to limit ended records, oldest end first: those that
	// ended at or before this moment, and those beyond the newest keep. Tombstones
	// attempts whose time is over go too, uncounted.
	Forget(before, now int64, keep, limit int) (int, error)

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
	Now        int64       // the highest now used, ms: see Latest
	Offset     int64       // what the machine's clock lags behind the store's, ms
	Refused    uint64      // refusals of tries without a place
}

// Overlap selects records that conflict with a claim.
type Overlap struct {
	Claim  lease.Claim
	Skip   string // a holder whose records are left out; "" for none
	Before *Place // Waiters: only those before
	After  *Place // Waiters: only those after
	Limit  int    // at most so many
}
