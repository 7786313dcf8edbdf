package rules

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// mine reports whether the lease e never blocks r: it is of the same holder, or
// the one that r gives up, or one under whose cover r is.
func mine(e, r *Record) bool {
	return e.ID == r.Replace.ID || e.Holder == r.Holder && !r.Distinct || slices.Contains(r.Chain, e.ID)
}

// blocks reports whether the lease e keeps r from being granted.
func blocks(e, r *Record) bool {
	if mine(e, r) {
		return false
	}
	_, _, conflict := r.conflicts(e)
	return conflict
}

// contains reports whether whatever conflicts with c conflicts with h.
func contains(h, c lease.Claim) bool {
	return lease.Covers(h, c.Path) && (c.Scope == lease.Exact || h.Scope == lease.Tree) &&
		(h.Mode == lease.Exclusive || c.Mode == lease.Shared)
}

// blockingLeases returns the first of the active leases that conflict with r, by
// arrival; with a limit of 1, any of them. It records the ends that it comes across.
func (s *Step) blockingLeases(r *Record, limit int) ([]*Record, error) {
	o := Overlap{Claims: r.Claims, Limit: limit + 1 + len(r.Chain), Any: limit == 1} // so many may be mine
	if !r.Distinct {
		o.Skip = r.Holder
	}
	for {
		es, err := s.tx.Leases(o)
		if err != nil {
			return nil, err
		}
		more := len(es) == o.Limit
		if es, err = s.dropExpired(es); err != nil {
			return nil, err
		}
		es = slices.DeleteFunc(es, func(e *Record) bool { return mine(e, r) || e.ID == r.ID })
		if len(es) >= limit {
			return es[:limit], nil
		}
		if !more || s.full() {
			return es, nil
		}
		// With their ends recorded, the same question finds others.
	}
}

// leaseBlocked reports whether a lease is in the way of r.
func (s *Step) leaseBlocked(r *Record) (bool, error) {
	found, err := s.blockingLeases(r, 1)
	return len(found) > 0, err
}

// leasesOf returns leases of a holder, by arrival, maxEnds of them at most; none
// if it has none. all says that these are all.
func (s *Step) leasesOf(holder string) (held []*Record, all bool, err error) {
	for {
		es, err := s.tx.LeasesOf(holder, maxEnds)
		if err != nil {
			return nil, false, err
		}
		all := len(es) < maxEnds
		live := slices.DeleteFunc(slices.Clone(es), func(e *Record) bool { return e.Over(s.now) })
		if len(live) > 0 || all || s.full() {
			return live, all, nil
		}
		// With their ends recorded, the same question finds others.
		if _, err := s.dropExpired(es); err != nil {
			return nil, false, err
		}
	}
}

// holderBlocks reports whether some lease of a holder blocks r.
func (s *Step) holderBlocks(holder string, r *Record) (bool, error) {
	o := Overlap{Claims: r.Claims, Only: holder, Limit: 2 + len(r.Chain), Any: true}
	for {
		es, err := s.tx.Leases(o)
		if err != nil {
			return false, err
		}
		more := len(es) == o.Limit
		if es, err = s.dropExpired(es); err != nil {
			return false, err
		}
		if slices.ContainsFunc(es, func(e *Record) bool { return !mine(e, r) }) {
			return true, nil
		}
		if !more || s.full() {
			return false, nil
		}
	}
}
