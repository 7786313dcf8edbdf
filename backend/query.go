package backend

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// Matches reports whether a lease has the query's ID, Holder, Path and Under.
// The query's paths must be in normal form.
func Matches(q lease.Query, l lease.Lease) bool {
	return (q.ID == "" || q.ID == l.ID) &&
		(q.Holder == "" || q.Holder == l.Holder) &&
		(q.Path == "" || slices.ContainsFunc(l.Claims, func(c lease.Claim) bool { return lease.Covers(c, q.Path) })) &&
		(q.Under == "" || slices.ContainsFunc(l.Claims, func(c lease.Claim) bool { return c.Path == q.Under || lease.Below(c.Path, q.Under) }))
}

// MatchesStatus reports whether List should show a lease of this status.
func MatchesStatus(q lease.Query, s lease.Status) bool {
	if len(q.Status) == 0 {
		return q.ID != "" || !s.Ended()
	}
	return slices.Contains(q.Status, s)
}

// MatchesEvent reports whether an event has the query's kind, and its lease the
// rest.
func MatchesEvent(q lease.Query, e lease.Event) bool {
	return (len(q.Kinds) == 0 || slices.Contains(q.Kinds, e.Kind)) && Matches(q, e.Lease)
}
