package rules

import (
	"slices"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// blocked is what is in the way of a request.
type blocked struct {
	list    []lease.Blocker // at most lease.MaxBlockers
	count   int             // capped at lease.MaxContention
	waiters int             // how many of them wait
	latest  int64           // the latest deadline among them
	now     int64
	again   bool // too many had ended to look at the rest
}

func (b *blocked) add(r, blocker *Record) {
	b.count++
	b.latest = max(b.latest, blocker.Deadline)
	if blocker.Status == lease.Pending {
		b.waiters++
	}
	if len(b.list) == lease.MaxBlockers {
		return
	}
	asked, held, _ := r.conflicts(blocker)
	b.list = append(b.list, lease.Blocker{
		ID: blocker.ID, Holder: blocker.Holder, Asked: asked, Held: held, Claims: blocker.Claims,
		Waiting: blocker.Status == lease.Pending, ExpiresAt: moment(blocker.Deadline),
	})
}

func (b *blocked) full() bool { return b.count >= lease.MaxContention }

func (b *blocked) reply(o backend.Outcome) backend.AcquireReply {
	return backend.AcquireReply{
		Outcome: o, Blockers: b.list, Count: min(b.count, lease.MaxContention), RetryAfter: span(b.latest - b.now),
	}
}

// blockers returns what keeps r from being granted: rules (a) and (b). It
// records the ends it comes across.
func (s *Step) blockers(r *Record) (*blocked, error) {
	b := &blocked{now: s.now}
	leases, err := s.blockingLeases(r)
	if err != nil {
		return nil, err
	}
	for _, e := range leases {
		b.add(r, e)
	}
	if s.counters.Waiting > 0 && !b.full() {
		if err := s.blockingWaiters(r, b); err != nil {
			return nil, err
		}
	}
	b.again = s.ends >= maxEnds
	return b, nil
}

// blockingWaiters adds to b the earlier waiters that r must not pass.
func (s *Step) blockingWaiters(r *Record, b *blocked) error {
	x := exception{step: s, asker: r}
	var found []*Record
	err := s.earlier(r, &x, func(u *Record) (bool, error) {
		excepted, err := x.has(u)
		if err != nil || excepted {
			return true, err
		}
		found = append(found, u)
		return b.count+len(found) < lease.MaxContention, nil
	})
	if len(r.Claims) > 1 {
		slices.SortFunc(found, byPlace)
	}
	for _, u := range found {
		b.add(r, u)
	}
	return err
}

// grantable reports whether r, a waiter, can be granted now: it looks no
// further than the first that is in the way.
func (s *Step) grantable(r *Record) (bool, error) {
	if blocked, err := s.leaseBlocked(r); blocked || err != nil {
		return false, err
	}
	x := exception{step: s, asker: r}
	free := true
	err := s.earlier(r, &x, func(u *Record) (on bool, err error) {
		free, err = x.has(u)
		return free, err
	})
	return free, err
}

// leaseBlocked reports whether a lease is in the way of r: rule (a).
func (s *Step) leaseBlocked(r *Record) (bool, error) {
	found, err := s.leasesBefore(r, 1)
	return len(found) > 0, err
}

// mine reports whether the lease e never blocks r: it is of the same holder, or
// the one that r gives up.
func mine(e, r *Record) bool {
	return e.ID == r.Replace.ID || e.Holder == r.Holder && !r.Distinct
}

// blockingLeases returns active leases that conflict with r, by claim and
// arrival, at most lease.MaxContention for each claim.
func (s *Step) blockingLeases(r *Record) ([]*Record, error) {
	return s.leasesBefore(r, lease.MaxContention)
}

// leasesBefore is blockingLeases with another limit; with 1 it stops at the
// first.
func (s *Step) leasesBefore(r *Record, limit int) ([]*Record, error) {
	var found []*Record
	o := Overlap{Limit: limit + 1} // one of them may be mine
	if !r.Distinct {
		o.Skip = r.Holder
	}
	for _, o.Claim = range r.Claims {
		for {
			es, err := s.tx.Leases(o)
			if err != nil {
				return nil, err
			}
			more := len(es) == o.Limit
			if es, err = s.live(es); err != nil {
				return nil, err
			}
			for _, e := range es {
				if !mine(e, r) && e.ID != r.ID && !has(found, e) {
					found = append(found, e)
				}
			}
			// A page of nothing but ended ones says nothing about the rest.
			if !more || len(es) > 0 || s.ends >= maxEnds {
				break
			}
		}
		if limit == 1 && len(found) > 0 {
			break
		}
	}
	return found, nil
}

// page is how many waiters are read at a time.
const page = 32

// earlier yields the waiters before r that conflict with it, by claim and
// place, those of its own holder left out unless r is distinct, and those of
// claims where x excepts them all, until yield returns false.
func (s *Step) earlier(r *Record, x *exception, yield func(u *Record) (bool, error)) error {
	place := r.Place()
	o := Overlap{Limit: page, Before: &place}
	if !r.Distinct {
		o.Skip = r.Holder
	}
	var seen []*Record
	if s.counters.Waiting == 0 {
		return nil
	}
	for _, o.Claim = range r.Claims {
		o.After = nil
		for more := true; more; {
			us, err := s.tx.Waiters(o)
			if err != nil {
				return err
			}
			if more = len(us) == o.Limit; more {
				last := us[len(us)-1].Place()
				o.After = &last
			}
			if us, err = s.live(us); err != nil {
				return err
			}
			if len(us) > 0 {
				all, err := x.hasAll(o.Claim)
				if err != nil {
					return err
				}
				if all {
					break
				}
			}
			for _, u := range us {
				if u.ID == r.ID || has(seen, u) {
					continue
				}
				if len(r.Claims) > 1 {
					seen = append(seen, u)
				}
				if on, err := yield(u); err != nil || !on {
					return err
				}
			}
			if s.ends >= maxEnds {
				return nil
			}
		}
	}
	return nil
}

func has(rs []*Record, r *Record) bool {
	return slices.ContainsFunc(rs, func(x *Record) bool { return x.ID == r.ID })
}

func byPlace(a, b *Record) int {
	switch {
	case a.Place().Before(b.Place()):
		return -1
	case b.Place().Before(a.Place()):
		return 1
	}
	return 0
}
