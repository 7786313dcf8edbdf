package rules

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// change is what may let waiters be granted who could not be before.
type change struct {
	holder string
	// What ended, or left the queue: it concerns the waiters that conflict with
	// its claims, of those behind it if it was a waiter.
	claims []lease.Claim
	after  *Place
	lease  lease.ID // the lease that ended
	// What joined: a new waiter, or a new lease of a holder that still waits.
	// Others may now pass it.
	joined *Record
}

// changed takes note of a change, if anybody waits.
func (s *Step) changed(c change) {
	if s.counters.Waiting > 0 {
		s.changes = append(s.changes, c)
	}
}

// wake hints every waiter that this step has made grantable.
func (s *Step) wake() error {
	for len(s.changes) > 0 && s.counters.Waiting > 0 {
		c := s.changes[0]
		s.changes = s.changes[1:] // testing candidates may end others, and so change more
		var err error
		if c.joined != nil {
			err = s.wakeJoined(c)
		} else {
			err = s.wakeFreed(c)
		}
		if err != nil {
			return err
		}
	}
	s.changes = nil
	return nil
}

func (s *Step) wakeFreed(f change) error {
	var candidates []*Record
	for _, c := range f.claims {
		us, err := s.candidates(c, f)
		if err != nil {
			return err
		}
		for _, u := range us {
			if !has(candidates, u) {
				candidates = append(candidates, u)
			}
		}
	}
	slices.SortFunc(candidates, byPlace)
	return s.wakeGrantable(candidates)
}

func (s *Step) wakeGrantable(us []*Record) error {
	for _, u := range us {
		ok, err := s.grantable(u)
		if err != nil {
			return err
		}
		if ok {
			s.tx.Notify(u.ID)
		}
	}
	return nil
}

// firstPage is how many of those that an end may concern are read at first:
// mostly the first of them shuts out the rest.
const firstPage = 4

// candidates returns waiters that the end of a claim may concern. Behind the
// first one whose exclusive claim covers all of it only those can be granted who
// may pass it.
func (s *Step) candidates(c lease.Claim, f change) ([]*Record, error) {
	var found []*Record
	o := Overlap{Claims: []lease.Claim{c}, After: f.after, Limit: firstPage}
	if s.tested >= maxTested {
		return nil, s.wakeNext(o)
	}
	for more := true; more; {
		us, err := s.tx.Waiters(o)
		if err != nil {
			return nil, err
		}
		if more = len(us) == o.Limit; more {
			last := us[len(us)-1].Place()
			o.After, o.Limit = &last, page
		}
		if us, err = s.dropExpired(us); err != nil {
			return nil, err
		}
		s.tested += len(us)
		for _, u := range us {
			if u.Holder == f.holder && !u.Distinct {
				continue
			}
			found = append(found, u)
			if blocksAll(u, c) {
				passing, err := s.passing(u, c)
				return append(found, passing...), err
			}
		}
		if more && (s.full() || s.tested >= maxTested) {
			return found, s.wakeNext(o)
		}
	}
	return found, nil
}

// maxTested bounds how many waiters a step tests to find whom to wake.
const maxTested = 64

// wakeNext wakes the first who waits in o. It asks, and comes across what this
// step leaves undone.
func (s *Step) wakeNext(o Overlap) error {
	if s.passed[o.Claims[0]] {
		return nil
	}
	if s.passed == nil {
		s.passed = map[lease.Claim]bool{}
	}
	s.passed[o.Claims[0]] = true
	o.Limit = page
	if s.tx.spent() {
		o.Limit = 1
	}
	for {
		us, err := s.tx.Waiters(o)
		if err != nil {
			return err
		}
		for _, u := range us {
			if s.tested++; !u.Over(s.now) {
				s.tx.Notify(u.ID)
				return nil
			}
		}
		if len(us) < page || s.tested >= maxPassed {
			return nil
		}
		last := us[len(us)-1].Place()
		o.After = &last
	}
}

// maxPassed bounds how many lapsed waiters are passed over to find one to wake.
const maxPassed = 1000

// passOn wakes more of those who wait for the same as r, a waiter that has just
// been granted: of a long queue a step wakes only the beginning.
func (s *Step) passOn(r *Record) error {
	if s.counters.Waiting == 0 {
		return nil
	}
	place := r.Place()
	for _, c := range r.Claims {
		if c.Mode != lease.Shared || s.tx.spent() {
			continue // an exclusive one lets nobody past
		}
		c.Mode = lease.Exclusive // whoever has this path in a claim
		us, err := s.tx.Waiters(Overlap{Claims: []lease.Claim{c}, After: &place, Limit: 2})
		if err != nil {
			return err
		}
		if us, err = s.dropExpired(us); err != nil {
			return err
		}
		if err := s.wakeGrantable(us); err != nil {
			return err
		}
	}
	return nil
}

// blocksAll reports whether u, a waiter, is in the way of all that conflict with
// c.
func blocksAll(u *Record, c lease.Claim) bool {
	return slices.ContainsFunc(u.Claims, func(x lease.Claim) bool {
		return x.Mode == lease.Exclusive && lease.Covers(x, c.Path) && (c.Scope == lease.Exact || x.Scope == lease.Tree)
	})
}

// passing returns the waiters behind stop that conflict with c and may pass it.
func (s *Step) passing(stop *Record, c lease.Claim) ([]*Record, error) {
	us, err := s.passers(stop.Holder, true)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(us, func(u *Record) bool {
		return !stop.Place().Before(u.Place()) ||
			!slices.ContainsFunc(u.Claims, func(x lease.Claim) bool { return lease.Conflict(x, c) })
	}), nil
}

// passers returns the waiters that may pass one of this holder, and that no
// lease is in the way of: its own, if own says so, and those whose holder it
// waits for.
func (s *Step) passers(holder string, own bool) ([]*Record, error) {
	holders, err := s.reachable(holder)
	if err != nil {
		return nil, err
	}
	var found []*Record
	add := func(us []*Record, own bool) error {
		for _, u := range us {
			owns, err := own, error(nil)
			if !owns {
				owns, err = s.owns(u)
			}
			if err != nil {
				return err
			}
			if !owns || has(found, u) {
				continue
			}
			blocked, err := s.leaseBlocked(u)
			if err != nil {
				return err
			}
			if !blocked {
				found = append(found, u)
			}
		}
		return nil
	}
	left := maxWalked
	for _, h := range holders {
		if left == 0 {
			break
		}
		us, err := s.liveWaitersOf(h, left)
		if err != nil {
			return nil, err
		}
		left -= len(us)
		if err := add(us, own && h == holder); err != nil {
			return nil, err
		}
	}
	if s.counters.Subleases > 0 {
		us, err := s.waitersUnder(holders)
		if err != nil {
			return nil, err
		}
		return found, add(us, false)
	}
	return found, nil
}

// owns reports whether somebody could wait for r's holder: it has a lease, or
// names one.
func (s *Step) owns(r *Record) (bool, error) {
	if r.Replace.ID != "" || r.Parent.ID != "" {
		return true, nil
	}
	held, _, err := s.leasesOf(r.Holder)
	return len(held) > 0, err
}

// waitersUnder returns waiters under the leases of these holders, and those of
// holders that have a sub-lease under one: some of them, if there are many.
func (s *Step) waitersUnder(holders []string) ([]*Record, error) {
	var found []*Record
	for _, h := range holders {
		held, _, err := s.leasesOf(h)
		if err != nil {
			return nil, err
		}
		for _, e := range held {
			if len(found) >= maxWalked || s.tx.spent() {
				return found, nil
			}
			us, err := s.tx.Chained(e.ID, lease.Pending, maxWalked)
			if err != nil {
				return nil, err
			}
			if us, err = s.dropExpired(us); err != nil {
				return nil, err
			}
			found = append(found, us...)
			subs, err := s.tx.Chained(e.ID, lease.Active, maxWalked)
			if err != nil {
				return nil, err
			}
			for _, sub := range subs {
				us, err := s.liveWaitersOf(sub.Holder, maxWalked)
				if err != nil {
					return nil, err
				}
				found = append(found, us...)
			}
		}
	}
	return found, nil
}

// wakeJoined wakes those that may pass others because of the new waiter, or of
// the new lease.
func (s *Step) wakeJoined(f change) error {
	matters, err := s.joinMatters(f.joined)
	if err != nil || !matters {
		return err
	}
	us, err := s.passers(f.holder, false)
	if err != nil {
		return err
	}
	us = slices.DeleteFunc(us, func(u *Record) bool { return u.ID == f.joined.ID })
	slices.SortFunc(us, byPlace)
	return s.wakeGrantable(us)
}

// joinMatters reports whether a newly queued request, or a newly granted one,
// can make somebody wait for a holder that nobody waited for before.
func (s *Step) joinMatters(r *Record) (bool, error) {
	us, err := s.tx.WaitersOf(r.Holder, 2)
	if err != nil || len(us) == 0 {
		return false, err
	}
	if r.Status == lease.Active || len(us) > 1 {
		return true, nil
	}
	if held, _, err := s.leasesOf(r.Holder); len(held) > 0 || err != nil {
		return len(held) > 0, err
	}
	place := r.Place()
	behind, err := s.tx.Waiters(Overlap{Claims: r.Claims, Skip: r.Holder, After: &place, Limit: 1})
	return len(behind) > 0, err
}

// hint wakes the next in line for what r, a lease, holds: they counted on a later
// end of what is in their way.
func (s *Step) hint(r *Record) error {
	if s.counters.Waiting == 0 {
		return nil
	}
	for _, c := range r.Claims {
		if s.tx.spent() {
			break
		}
		us, err := s.tx.Waiters(Overlap{Claims: []lease.Claim{c}, Skip: r.Holder, Limit: 1})
		if err != nil {
			return err
		}
		for _, u := range us {
			s.tx.Notify(u.ID)
		}
	}
	return nil
}
