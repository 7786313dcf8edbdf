package rules

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// freed is a change that may let waiters be granted. Which they are is what the
// model checking of FINDINGS found; each left out lost a wake-up.
type freed struct {
	holder string
	// What ended, or left the queue: the waiters that conflict with its claims,
	// of those behind it if it was a waiter.
	claims []lease.Claim
	after  *Place
	ended  lease.ID // the lease that ended: who would replace it must fail
	// What joined: a new waiter, or a new lease of a holder that still waits.
	// Others may now be excepted from waiting behind it.
	joined *Record
}

// wake hints every waiter that this step has made grantable.
func (s *Step) wake() error {
	for len(s.freed) > 0 && s.counters.Waiting > 0 {
		f := s.freed[0]
		s.freed = s.freed[1:] // testing candidates may end others, and so free more
		var err error
		if f.joined != nil {
			err = s.wakeJoined(f)
		} else {
			err = s.wakeFreed(f)
		}
		if err != nil {
			return err
		}
	}
	s.freed = nil
	return nil
}

func (s *Step) wakeFreed(f freed) error {
	if f.ended != "" {
		us, err := s.tx.Replacing(f.ended)
		if err != nil {
			return err
		}
		for _, u := range us {
			s.tx.Notify(u.ID)
		}
	}
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
// first one whose exclusive claim covers all of it only those can pass who are
// excepted: whose holder that one waits for.
func (s *Step) candidates(c lease.Claim, f freed) ([]*Record, error) {
	var found []*Record
	o := Overlap{Claim: c, After: f.after, Limit: firstPage}
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
		if us, err = s.live(us); err != nil {
			return nil, err
		}
		s.tested += len(us)
		for _, u := range us {
			if u.Holder == f.holder && !u.Distinct {
				continue
			}
			found = append(found, u)
			if shuts(u, c) {
				passing, err := s.passing(u, c)
				return append(found, passing...), err
			}
		}
		if more && (s.ends >= maxEnds || s.tested >= maxTested) {
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
	if s.passed[o.Claim] {
		return nil
	}
	if s.passed == nil {
		s.passed = map[lease.Claim]bool{}
	}
	s.passed[o.Claim] = true
	for o.Limit = page; ; {
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
		last := us[page-1].Place()
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
		if c.Mode != lease.Shared {
			continue // it lets nobody past
		}
		c.Mode = lease.Exclusive // whoever has this path in a claim
		us, err := s.tx.Waiters(Overlap{Claim: c, After: &place, Limit: 2})
		if err != nil {
			return err
		}
		if us, err = s.live(us); err != nil {
			return err
		}
		if err := s.wakeGrantable(us); err != nil {
			return err
		}
	}
	return nil
}

// shuts reports whether nothing that conflicts with c can pass behind u.
func shuts(u *Record, c lease.Claim) bool {
	return slices.ContainsFunc(u.Claims, func(x lease.Claim) bool {
		return x.Mode == lease.Exclusive && lease.Covers(x, c.Path) && (c.Scope == lease.Exact || x.Scope == lease.Tree)
	})
}

// passing returns the waiters behind stop that conflict with c and may be
// excepted from waiting for it.
func (s *Step) passing(stop *Record, c lease.Claim) ([]*Record, error) {
	us, err := s.excepted(stop.Holder, true)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(us, func(u *Record) bool {
		return !stop.Place().Before(u.Place()) ||
			!slices.ContainsFunc(u.Claims, func(x lease.Claim) bool { return lease.Conflict(x, c) })
	}), nil
}

// excepted returns the waiters that need not stand behind one of this holder,
// and behind whom nothing else keeps them: its own, if own says so, and those
// whose holder it waits for. None that a lease is in the way of.
func (s *Step) excepted(holder string, own bool) ([]*Record, error) {
	holders, err := s.reachable(holder)
	if err != nil {
		return nil, err
	}
	var found []*Record
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
		for _, u := range us {
			passes := own && h == holder
			if !passes {
				if passes, err = s.owns(u); err != nil {
					return nil, err
				}
			}
			if !passes || has(found, u) {
				continue
			}
			blocked, err := s.leaseBlocked(u)
			if err != nil {
				return nil, err
			}
			if !blocked {
				found = append(found, u)
			}
		}
	}
	return found, nil
}

// wakeJoined wakes those that the new waiter, or the new lease, excepts.
func (s *Step) wakeJoined(f freed) error {
	matters, err := s.joinMatters(f.joined)
	if err != nil || !matters {
		return err
	}
	us, err := s.excepted(f.holder, false)
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
	if held, err := s.someLeasesOf(r.Holder); len(held) > 0 || err != nil {
		return len(held) > 0, err
	}
	place := r.Place()
	for _, c := range r.Claims {
		behind, err := s.tx.Waiters(Overlap{Claim: c, Skip: r.Holder, After: &place, Limit: 1})
		if err != nil || len(behind) > 0 {
			return len(behind) > 0, err
		}
	}
	return false, nil
}
