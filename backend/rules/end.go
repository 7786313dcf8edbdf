package rules

import (
	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// maxEnds bounds how many leases and waiters one step ends before it replies
// Again, unless State.MaxEnds is lower.
const maxEnds = 100

// full reports whether the step may end no more.
func (s *Step) full() bool { return s.ends >= s.maxEnds }

// expire records the end of r if its time is over. It took effect at the
// deadline.
func (s *Step) expire(r *Record) error {
	if !r.Over(s.now) {
		return nil
	}
	status, reason := r.overStatus()
	kind := lease.KindExpired
	if r.Status == lease.Pending {
		kind = lease.KindLapsed
	}
	return s.end(r, status, reason, kind, r.Deadline)
}

// dropExpired records the ends of those whose time is over, and returns the
// others. The time of a waiter is over, too, when nobody is left who would ask
// for it, or when its parent has ended.
func (s *Step) dropExpired(rs []*Record) ([]*Record, error) {
	kept := rs[:0]
	for _, r := range rs {
		over, err := s.dropIfOver(r)
		if err != nil {
			return nil, err
		}
		if !over {
			kept = append(kept, r)
		}
	}
	return kept, nil
}

func (s *Step) dropIfOver(r *Record) (bool, error) {
	switch {
	case s.ended.has(r.ID): // together with another one
		return true, nil
	case r.Over(s.now):
		return true, s.expire(r)
	case r.Status != lease.Pending:
		return false, nil
	case s.abandoned(r):
		r.Deadline = s.now
		return true, s.expire(r)
	case r.Parent.ID == "":
		return false, nil
	}
	parent, end, err := s.referred(r.Parent)
	if err != nil || end.Err == nil {
		return false, err
	}
	if s.ended.has(r.ID) {
		return true, nil
	}
	return true, s.fail(r, parent, end)
}

// abandoned reports whether nobody is left who would ask for r, a waiter.
func (s *Step) abandoned(r *Record) bool {
	if r.Client == "" || r.Client == s.client {
		return false
	}
	answer, known := s.gone[r.Client]
	if !known {
		if s.gone == nil {
			s.gone = map[string]bool{}
		}
		answer = s.tx.Gone(r.Client)
		s.gone[r.Client] = answer
	}
	return answer
}

// end ends a lease or waiter at this moment, by itself or by its holder.
func (s *Step) end(r *Record, status lease.Status, why lease.EndReason, kind lease.Kind, at int64) error {
	return s.endBy(r, status, why, kind, at, "", "")
}

func (s *Step) endBy(r *Record, status lease.Status, why lease.EndReason, kind lease.Kind, at int64, actor, reason string) error {
	if s.ended.has(r.ID) {
		return nil
	}
	s.ended.add(r.ID)
	s.ends++
	was, c := r.Status, change{holder: r.Holder, claims: r.Claims}
	if was == lease.Pending {
		s.counters.Waiting--
		place := r.Place()
		c.after = &place
	} else {
		c.lease = r.ID
	}
	if r.Parent.ID != "" {
		s.counters.Subleases--
	}
	s.changed(c)
	r.end(status, why)
	r.Updated, r.Ended = s.now, at
	if err := s.tx.Update(r, was); err != nil {
		return err
	}
	if err := s.record(kind, at, r, actor, reason); err != nil {
		return err
	}
	if was != lease.Active || s.counters.Waiting == 0 {
		return nil
	}
	return s.endDependents(r)
}

// endDependents ends who waits under the cover of r, a lease that has ended. Who
// would replace it fails when it asks, and is woken.
func (s *Step) endDependents(r *Record) error {
	us, err := s.tx.Dependents(r.ID, maxEnds)
	if err != nil {
		return err
	}
	for _, u := range us {
		if u.Parent.ID != r.ID || s.full() {
			s.tx.Notify(u.ID)
			continue
		}
		if err := s.fail(u, r, endOf(r)); err != nil {
			return err
		}
	}
	return nil
}

// fail ends a waiter whose parent, or whose lease to replace, is gone: it fails
// as that did. cause may be nil.
func (s *Step) fail(r, cause *Record, end backend.End) error {
	reason := lease.EndCancelled
	if cause != nil {
		reason, r.Successor = cause.EndReason, cause.Successor
	}
	r.Actor, r.Reason = end.Actor, end.Reason
	s.tx.Notify(r.ID)
	return s.end(r, lease.Failed, reason, lease.KindWithdrawn, s.now)
}
