package rules

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// bypass answers, for one request, which earlier waiters it may pass: those that
// wait for its holder. Without it a holder that re-enters, or upgrades, would
// queue behind somebody who waits for what it holds.
//
// A waiter waits for the asker's holder if a lease of that holder blocks it, or
// if a holder whose lease blocks it, or who has an earlier waiter that conflicts
// with it, has a waiter that waits for that holder. For this, a holder also
// counts as having what its sub-leases lie under: the ancestors of its active
// sub-leases, of those whose parent is active, and the chain of the request.
type bypass struct {
	step   *Step
	asker  *Record
	walked int // how many waiters it looks at to find out

	known bool      // whether the rest is
	own   []*Record // the active leases by which somebody waits for the asker's holder
	more  bool      // the holder has more than these
	walk  *walk
}

// load finds out by which leases somebody could wait for the asker's holder, and
// reports whether there are any.
func (x *bypass) load() (bool, error) {
	if x.known {
		return len(x.own) > 0, nil
	}
	x.known = true
	s, r := x.step, x.asker
	named := r.Chain
	if r.Replace.ID != "" {
		named = append(slices.Clone(named), r.Replace.ID)
	}
	if err := x.addActive(named); err != nil {
		return false, err
	}
	if r.Distinct && s.counters.Subleases == 0 {
		return len(x.own) > 0, nil
	}
	held, all, err := s.leasesOf(r.Holder)
	if err != nil {
		return false, err
	}
	x.more = !all && !r.Distinct
	for _, e := range held {
		counts, err := s.counts(e)
		if err != nil {
			return false, err
		}
		if !counts {
			continue
		}
		if !r.Distinct && !has(x.own, e) {
			x.own = append(x.own, e)
		}
		if err := x.addActive(e.Chain); err != nil {
			return false, err
		}
	}
	return len(x.own) > 0, nil
}

func (x *bypass) addActive(ids []lease.ID) error {
	for _, id := range ids {
		if slices.ContainsFunc(x.own, func(e *Record) bool { return e.ID == id }) {
			continue
		}
		e, err := x.step.active(id)
		if err != nil {
			return err
		}
		if e != nil {
			x.own = append(x.own, e)
		}
	}
	return nil
}

// counts reports whether a lease makes others wait for its holder: a sub-lease
// does so only while its parent is active. An orphan could else renew itself
// past those in line.
func (s *Step) counts(e *Record) (bool, error) {
	if e.Parent.ID == "" {
		return true, nil
	}
	parent, err := s.active(e.Parent.ID)
	return parent != nil, err
}

// passes reports whether the asker may pass u.
func (x *bypass) passes(u *Record) (bool, error) {
	if owns, err := x.load(); !owns || err != nil {
		return false, err
	}
	if x.walk == nil {
		x.walk = x.step.newWalk(x.asker, x.walked, x.waitsDirectly)
	}
	return x.walk.meets(u)
}

// waitsDirectly reports whether a lease that counts as the asker's holder's
// blocks u, among however many others.
func (x *bypass) waitsDirectly(u *Record) (bool, error) {
	if slices.ContainsFunc(x.own, func(e *Record) bool { return blocks(e, u) }) {
		return true, nil
	}
	if !x.more || u.Holder == x.asker.Holder && !u.Distinct {
		return false, nil
	}
	return x.step.holderBlocks(x.asker.Holder, u)
}

// remaining returns the claims by which earlier waiters still have to be looked
// at one by one, and those by which only that is true of waiters with a shared
// claim. With a lease that is in the way of all that conflict with a claim, its
// holder may pass them all.
func (x *bypass) remaining(claims []lease.Claim) (whole, shared []lease.Claim, err error) {
	if owns, err := x.load(); !owns || err != nil || x.asker.Distinct {
		return claims, nil, err
	}
	for _, c := range claims {
		reading := c
		reading.Mode = lease.Shared
		switch all, err := x.coversAll(c); {
		case err != nil:
			return nil, nil, err
		case all:
			continue
		}
		if c.Mode == lease.Exclusive {
			all, err := x.coversAll(reading)
			if err != nil {
				return nil, nil, err
			}
			if all {
				shared = append(shared, c)
				continue
			}
		}
		whole = append(whole, c)
	}
	return whole, shared, nil
}

// coversAll reports whether one lease of the holder blocks everybody else who
// conflicts with c. It does not block those who wait under its own cover.
func (x *bypass) coversAll(c lease.Claim) (bool, error) {
	for _, e := range x.own {
		if e.Holder != x.asker.Holder || !slices.ContainsFunc(e.Claims, func(h lease.Claim) bool { return contains(h, c) }) {
			continue
		}
		if x.step.counters.Subleases == 0 {
			return true, nil
		}
		under, err := x.step.tx.Chained(e.ID, lease.Pending, 1)
		if err != nil || len(under) == 0 {
			return err == nil, err
		}
	}
	return false, nil
}
