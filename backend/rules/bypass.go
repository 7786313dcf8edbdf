package rules

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// exception answers, for one request, which earlier waiters it need not stand
// behind: those that wait for its holder. Most requests never ask, as nobody is
// earlier, or nobody can wait for a holder that has nothing.
type exception struct {
	step  *Step
	asker *Record

	known bool // whether owns and held are
	owns  bool
	held  []*Record // leases of the asker's holder, some of them if there are many
	walk  *walk
}

// look finds out whether somebody could wait for the asker's holder.
func (x *exception) look() (bool, error) {
	if x.known {
		return x.owns, nil
	}
	x.known = true
	x.owns = x.asker.Replace.ID != ""
	if x.asker.Distinct {
		return x.owns, nil
	}
	var err error
	x.held, err = x.step.someLeasesOf(x.asker.Holder)
	x.owns = x.owns || len(x.held) > 0
	return x.owns, err
}

// has reports whether the asker need not stand behind u.
func (x *exception) has(u *Record) (bool, error) {
	if owns, err := x.look(); !owns || err != nil {
		return false, err
	}
	if x.walk == nil {
		x.walk = x.step.newWalk(x.asker, func(e *Record) bool { return mine(e, x.asker) })
	}
	return x.walk.meets(u)
}

// hasAll reports whether the asker need not stand behind anybody who conflicts
// with its claim c: its holder has a lease that is in the way of all of them.
func (x *exception) hasAll(c lease.Claim) (bool, error) {
	if owns, err := x.look(); !owns || err != nil {
		return false, err
	}
	return slices.ContainsFunc(x.held, func(e *Record) bool {
		return slices.ContainsFunc(e.Claims, func(h lease.Claim) bool { return contains(h, c) })
	}), nil
}

// contains reports whether whatever conflicts with c conflicts with h.
func contains(h, c lease.Claim) bool {
	return lease.Covers(h, c.Path) && (c.Scope == lease.Exact || h.Scope == lease.Tree) &&
		(h.Mode == lease.Exclusive || c.Mode == lease.Shared)
}

// owns reports whether somebody could wait for r's holder: it has a lease, or
// names one.
func (s *Step) owns(r *Record) (bool, error) {
	x := exception{step: s, asker: r}
	return x.look()
}

// someLeasesOf returns leases of a holder, none if it has none: then it records
// the ends that it comes across.
func (s *Step) someLeasesOf(holder string) ([]*Record, error) {
	for {
		es, err := s.tx.LeasesOf(holder, maxEnds)
		if err != nil || len(es) == 0 {
			return nil, err
		}
		var kept []*Record
		for _, e := range es {
			if !e.Over(s.now) {
				kept = append(kept, e)
			}
		}
		if len(kept) > 0 {
			return kept, nil
		}
		// Their ends recorded, the next look finds others.
		if _, err := s.live(es); err != nil || len(es) < maxEnds || s.ends >= maxEnds {
			return nil, err
		}
	}
}
