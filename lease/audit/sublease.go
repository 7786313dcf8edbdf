package audit

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// chainOf returns the leases above a request, as it first appears: its parent
// and that one's chain. Those of a partial history may not all be known.
func (r *replay) chainOf(parent lease.ID) []lease.ID {
	if parent == "" {
		return nil
	}
	chain := []lease.ID{parent}
	if p := r.open[parent]; p != nil {
		chain = append(chain, p.chain...)
	}
	return chain
}

// checkParent requires that a sub-lease that is granted or renewed has an active
// parent, and does not outlast it. A parent may be renewed for less than it had
// left: what a child had by then it keeps, since no renewal for its own TTL moves
// an expiry backwards.
func (r *replay) checkParent(e lease.Event, l *life) {
	if len(l.chain) == 0 {
		return
	}
	parent := r.open[l.chain[0]]
	switch {
	case parent == nil && r.partial:
	case parent == nil || !parent.active:
		r.violateEvent(Ended, e, r.ended[l.chain[0]], "%s is %s, but its parent %s is not active", l.id, e.Kind, l.chain[0])
	case e.Kind == lease.KindRenewed && (!l.certain || !e.Lease.ExpiresAt.After(l.expires)): // it keeps what it had
	case parent.certain && e.Lease.ExpiresAt.After(parent.expires):
		// Unless the parent was renewed without a record: its next event tells.
		parent.unlessRenewed = append(parent.unlessRenewed, Violation{Lifetime, e.Seq, parent.told, l.id,
			text("%s is %s until %s, after the end of its parent %s at %s",
				l.id, e.Kind, stamp(e.Lease.ExpiresAt), parent.id, stamp(parent.expires))})
	}
}

// checkSubleases decides, by the next event about a parent, whether its
// sub-leases lasted too long or too short.
func (r *replay) checkSubleases(e lease.Event, parent *life) {
	renewals := parent.renewals
	if e.Kind == lease.KindRenewed {
		renewals++
	}
	if e.Lease.Renewals == renewals {
		r.violations = append(r.violations, parent.unlessRenewed...)
	}
	parent.unlessRenewed = nil
}

// boundByParent reports whether a sub-lease lasts as long as its parent.
func (r *replay) boundByParent(l *life) bool {
	if len(l.chain) == 0 {
		return false
	}
	parent := r.open[l.chain[0]]
	return parent == nil || !parent.certain || !l.expires.Before(parent.expires)
}

// hold notes whether the holder of a sub-lease holds what is above it.
func (r *replay) hold(l *life, n int) {
	for _, id := range l.chain {
		if r.above[id] == nil {
			r.above[id] = map[string]int{}
		}
		if r.above[id][l.holder] += n; r.above[id][l.holder] == 0 {
			delete(r.above[id], l.holder)
		}
		if len(r.above[id]) == 0 {
			delete(r.above, id)
		}
	}
}

// liesUnder reports whether the request, or an active lease of its holder, lies
// under l.
func (r *replay) liesUnder(granted, l *life) bool {
	return slices.Contains(granted.chain, l.id) || r.above[l.id][granted.holder] > 0
}
