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
}

func (b blocked) any() bool { return b.count > 0 }

func (s *Step) addBlocker(b *blocked, r, blocker *Record) {
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
		Waiting: blocker.Status == lease.Pending, ExpiresAt: shiftedTime(moment(blocker.Deadline), s.dates),
	})
}

// blockedReply tells what is in the way; all says whether that is known to be
// complete. A sub-lease's wait ends with its parent.
func (s *Step) blockedReply(o backend.Outcome, b blocked, all bool, parent *Record) backend.AcquireReply {
	retry := s.within(b.latest, parent)
	reply := backend.AcquireReply{Outcome: o, RetryAfter: span(retry - s.now)}
	if all {
		reply.Blockers, reply.Count = b.list, b.count
	}
	return reply
}

// blockers returns what keeps r from being granted: the active leases that
// conflict with it, and the earlier waiters that do so and that it may not pass;
// without all, only the first of them. It records the ends it comes across: if
// the step is full then, it has not looked at the rest.
func (s *Step) blockers(r *Record, all bool) (b blocked, err error) {
	limit, walked := 1, maxWalked
	if all {
		limit, walked = lease.MaxContention, maxWork
	}
	leases, err := s.blockingLeases(r, limit)
	if err != nil {
		return b, err
	}
	for _, e := range leases {
		s.addBlocker(&b, r, e)
	}
	if b.count >= limit || s.full() || s.counters.Waiting == 0 {
		return b, nil
	}
	var found []*Record
	left := limit - b.count
	err = s.earlier(r, walked, func(u *Record) bool {
		found = append(found, u)
		return len(found) < left
	})
	slices.SortFunc(found, byPlace)
	for _, u := range found {
		s.addBlocker(&b, r, u)
	}
	return b, err
}

// grantable reports whether r, a waiter, can be granted now.
func (s *Step) grantable(r *Record) (bool, error) {
	b, err := s.blockers(r, false)
	return err == nil && !b.any(), err
}

// page is how many waiters are read at a time.
const page = 32

// earlier yields the waiters before r that conflict with it and that it may not
// pass, until yield returns false. Waiters that it may pass for a reason that
// holds for all of them are not read one by one. To find a reason it looks at so
// many others.
func (s *Step) earlier(r *Record, walked int, yield func(u *Record) bool) error {
	place := r.Place()
	o := Overlap{Claims: r.Claims, Before: &place, Limit: page}
	if !r.Distinct {
		o.Skip = r.Holder
	}
	x := &bypass{step: s, asker: r, walked: walked}
	seen := map[lease.ID]bool{r.ID: true}
	us, err := s.tx.Waiters(o)
	switch {
	case err != nil:
		return err
	case len(us) == 0:
		return nil
	case len(us) < page:
		_, err = s.earlierPage(us, x, seen, yield)
		return err
	}
	whole, shared, err := x.remaining(r.Claims)
	if err != nil {
		return err
	}
	for _, part := range []Overlap{{Claims: whole}, {Claims: shared, Shared: true}} {
		o.Claims, o.Shared, o.After = part.Claims, part.Shared, nil
		for more := len(part.Claims) > 0; more; {
			if us, err = s.tx.Waiters(o); err != nil {
				return err
			}
			if more = len(us) == page; more {
				last := us[page-1].Place()
				o.After = &last
			}
			if on, err := s.earlierPage(us, x, seen, yield); err != nil || !on {
				return err
			}
		}
	}
	return nil
}

// earlierPage does so for some of the waiters.
func (s *Step) earlierPage(us []*Record, x *bypass, seen map[lease.ID]bool, yield func(u *Record) bool) (on bool, err error) {
	if us, err = s.dropExpired(us); err != nil {
		return false, err
	}
	for _, u := range us {
		if seen[u.ID] {
			continue
		}
		seen[u.ID] = true
		passes, err := x.passes(u)
		if err != nil {
			return false, err
		}
		if !passes && !yield(u) {
			return false, nil
		}
	}
	return !s.full(), nil
}

func has(rs []*Record, r *Record) bool {
	return slices.ContainsFunc(rs, func(x *Record) bool { return x.ID == r.ID })
}

func byPlace(a, b *Record) int { return a.Place().Compare(b.Place()) }
