package rules

import (
	"cmp"
	"slices"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// Record is a request as a store keeps it, from its first arrival until it is
// forgotten. Times are milliseconds of the store's clock, 0 for none.
type Record struct {
	ID          lease.ID
	Holder      string
	Claims      []lease.Claim
	Labels      map[string]string
	TTL         int64
	MaxRenewals int
	Priority    int
	Distinct    bool
	Replace     lease.Ref
	Parent      lease.Ref  // the lease under whose cover this is
	Chain       []lease.ID // the parent and the parent's chain

	Client   string // who keeps the place, of a store that may know that it is gone; "" for nobody
	Attempts string // that asked for it, one a line: see backend.AcquireArgs; "" if none can take it back
	Arrival  int64  // of the first ask, unique and rising: the order of List, and of equal keys
	Key      int64  // place in the queue: arrival time less the head start

	Status    lease.Status
	EndReason lease.EndReason
	Successor lease.ID // of what was replaced
	Actor     string   // of what was revoked
	Reason    string   // of what was revoked: the reason
	Token     lease.Token
	Renewals  int
	RenewOp   string // the last renewal, which does not count twice

	Created  int64
	Granted  int64
	Deadline int64 // Active: the expiry; Pending: when the place lapses; ended: when that was, or would have been
	Updated  int64
	Ended    int64
}

// Place is a place in the queue: Keys first, equal ones by arrival.
type Place struct{ Key, Arrival int64 }

// Compare returns -1, 0 or +1 as p is earlier than q, the same, or later.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Key, q.Key), cmp.Compare(p.Arrival, q.Arrival))
}

// Before reports whether p is earlier than q.
func (p Place) Before(q Place) bool { return p.Compare(q) < 0 }

// Place returns the record's place in the queue.
func (r *Record) Place() Place { return Place{Key: r.Key, Arrival: r.Arrival} }

// Over reports whether the time of a lease or a waiter is over.
func (r *Record) Over(now int64) bool { return !r.Status.Ended() && r.Deadline <= now }

// Forgotten reports whether the record's end is no longer remembered.
func (r *Record) Forgotten(now int64, c lease.Config) bool {
	return r.Status.Ended() && r.Ended+c.EndedRetention.Milliseconds() <= now
}

// Lease returns the record as users see it.
func (r *Record) Lease() lease.Lease {
	l := lease.Lease{
		ID: r.ID, Token: r.Token, Holder: r.Holder, Claims: r.Claims, Status: r.Status,
		EndReason: r.EndReason, TTL: span(r.TTL), Renewals: r.Renewals, MaxRenewals: r.MaxRenewals,
		Priority: r.Priority, Distinct: r.Distinct, Labels: r.Labels,
		Replaced: r.Replace.ID, ReplacedBy: r.Successor, Parent: r.Parent.ID, Revoked: lease.Revocation{Actor: r.Actor, Reason: r.Reason},
		CreatedAt: moment(r.Created), GrantedAt: moment(r.Granted), ExpiresAt: moment(r.Deadline),
		UpdatedAt: moment(r.Updated),
	}
	if r.Granted > 0 {
		l.Waited = span(r.Granted - r.Created)
	}
	return l
}

// LeaseAt returns the record as users see it at this moment: what is over has
// ended, recorded or not.
func (r *Record) LeaseAt(now int64) lease.Lease {
	if !r.Over(now) {
		return r.Lease()
	}
	ended := *r
	ended.end(ended.overStatus())
	return ended.Lease()
}

// overStatus is what a lease or waiter becomes when its time is over.
func (r *Record) overStatus() (lease.Status, lease.EndReason) {
	if r.Status == lease.Active {
		return lease.Expired, lease.EndExpired
	}
	return lease.Failed, lease.EndLapsed
}

func (r *Record) end(s lease.Status, why lease.EndReason) { r.Status, r.EndReason = s, why }

// maxAttempts is how many attempts a record remembers. One that more have
// asked for belongs to the client: none of them takes it back.
const maxAttempts = 8

// join adds an attempt to those that asked for r, and reports whether that
// changed r.
func (r *Record) join(attempt string) bool {
	if r.Attempts == "" || r.asked(attempt) {
		return false
	}
	if attempt == "" || strings.Count(r.Attempts, "\n")+1 == maxAttempts {
		r.Attempts = ""
	} else {
		r.Attempts += "\n" + attempt
	}
	return true
}

// leave takes an attempt away, and reports whether it was the last one.
func (r *Record) leave(attempt string) (last bool) {
	rest := slices.DeleteFunc(strings.Split(r.Attempts, "\n"), func(a string) bool { return a == attempt })
	r.Attempts = strings.Join(rest, "\n")
	return len(rest) == 0
}

// asked reports whether the attempt is one of those that asked for r.
func (r *Record) asked(attempt string) bool {
	return attempt != "" && (r.Attempts == attempt || slices.Contains(strings.Split(r.Attempts, "\n"), attempt))
}

// is reports whether r is the request that was asked for. One that replaces a
// sub-lease may leave out the parent, which it takes over.
func (r *Record) is(q lease.Request) bool {
	return r.Holder == q.Holder && r.Replace == q.Replace && slices.Equal(r.Claims, q.Claims) &&
		(r.Parent == q.Parent || q.Parent.ID == "" && q.Replace.ID != "")
}

// withdrawn reports whether r ended as if it had never been: its ID may be
// asked for anew.
func (r *Record) withdrawn() bool {
	switch r.EndReason {
	case lease.EndLapsed, lease.EndTimeout, lease.EndCancelled, lease.EndDeadlock:
		return true
	}
	return false
}

// conflicts returns the claim of r and the one of c that exclude each other.
func (r *Record) conflicts(other *Record) (mine, theirs lease.Claim, ok bool) {
	for _, a := range r.Claims {
		for _, b := range other.Claims {
			if lease.Conflict(a, b) {
				return a, b, true
			}
		}
	}
	return mine, theirs, false
}

// covers reports whether a sub-lease of r may have this claim.
func (r *Record) covers(c lease.Claim) bool {
	return slices.ContainsFunc(r.Claims, func(p lease.Claim) bool { return contains(p, c) })
}
