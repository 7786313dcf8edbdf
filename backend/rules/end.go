package rules

import "github.com/leasekit/leasekit/lease"

// maxEnds bounds how many leases and waiters one step ends before it replies
// Again.
const maxEnds = 100

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

// live records the ends of those whose time is over, and returns the others.
func (s *Step) live(rs []*Record) ([]*Record, error) {
	kept := rs[:0]
	for _, r := range rs {
		if r.Over(s.now) {
			if err := s.expire(r); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, r)
	}
	return kept, nil
}

// end ends a lease or waiter at this moment, by itself or by its holder.
func (s *Step) end(r *Record, status lease.Status, why lease.EndReason, kind lease.Kind, at int64) error {
	return s.endBy(r, status, why, kind, at, "", "")
}

func (s *Step) endBy(r *Record, status lease.Status, why lease.EndReason, kind lease.Kind, at int64, actor, reason string) error {
	f := freed{holder: r.Holder, claims: r.Claims}
	if r.Status == lease.Pending {
		s.counters.Waiting--
		place := r.Place()
		f.after = &place
	} else {
		f.ended = r.ID
	}
	s.freed = append(s.freed, f)
	s.ends++
	was := r.Status
	r.end(status, why)
	r.Updated, r.Ended = s.now, at
	if err := s.tx.Update(r, was); err != nil {
		return err
	}
	return s.record(kind, at, r, actor, reason)
}
