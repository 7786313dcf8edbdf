package rules

import (
	"slices"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Force is [backend.Store.Force] as one step: at most maxEnds at a time.
func (s *Step) Force(a backend.ForceArgs) (backend.ForceReply, error) {
	reply, known, err := s.forced(a.Op)
	if err != nil || known {
		return reply, err
	}
	q := a.Query
	if len(q.Status) > 0 {
		q.Status = slices.DeleteFunc(slices.Clone(q.Status), lease.Status.Ended)
		slices.Sort(q.Status)
		if q.Status = slices.Compact(q.Status); len(q.Status) == 0 {
			return reply, nil // what has ended cannot be ended
		}
	}
	if !a.Again {
		if claim, found, err := s.onlyTree(q); err != nil || found {
			return backend.ForceReply{Outcome: backend.TreeOnly, Tree: claim}, err
		}
	}
	if reply.Outcome, err = s.force(q, a, &reply); err != nil {
		return reply, err
	}
	if len(reply.Leases) > 0 {
		until := s.now + lease.MinEndedRetention.Milliseconds()
		if err := s.tx.AddTombstone(forcedName(reply.Outcome, a.Op), until); err != nil {
			return reply, err
		}
	}
	return reply, s.wake()
}

// force ends what q selects, and adds it to reply.
func (s *Step) force(q lease.Query, a backend.ForceArgs, reply *backend.ForceReply) (backend.Outcome, error) {
	limit := maxEnds
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	for after := int64(0); ; {
		rs, err := s.tx.Select(q, after, maxEnds)
		if err != nil {
			return 0, err
		}
		for _, r := range rs {
			after = r.Arrival
			if s.ends >= maxEnds || len(reply.Leases) == limit {
				if q.Limit > 0 && len(reply.Leases) == q.Limit {
					return backend.Done, nil
				}
				return backend.Again, nil
			}
			if r.Over(s.now) {
				if err := s.expire(r); err != nil {
					return 0, err
				}
				continue
			}
			if _, only := onlyThrough(q, r); only {
				continue
			}
			r.Actor, r.Reason, r.RenewOp = a.Revocation.Actor, a.Revocation.Reason, a.Op
			if err := s.endBy(r, lease.Failed, lease.EndRevoked, lease.KindRevoked, s.now, a.Revocation.Actor, a.Revocation.Reason); err != nil {
				return 0, err
			}
			// A waiting call asks again, and learns that it was revoked.
			s.tx.Notify(r.ID)
			reply.Leases = append(reply.Leases, r.Lease())
		}
		if len(rs) < maxEnds {
			return backend.Done, nil
		}
	}
}

// forcedName is what is buried in place of an attempt, so that a call that
// arrives again is known.
func forcedName(o backend.Outcome, op string) string {
	if o == backend.Again {
		return "force again\n" + op
	}
	return "force done\n" + op
}

// forced returns the reply to a call that came before.
func (s *Step) forced(op string) (backend.ForceReply, bool, error) {
	for _, o := range []backend.Outcome{backend.Done, backend.Again} {
		until, err := s.tx.Tombstone(forcedName(o, op))
		if err != nil {
			return backend.ForceReply{}, false, err
		}
		if until <= s.now {
			continue
		}
		reply := backend.ForceReply{Outcome: o}
		rs, err := s.tx.EndedAt(until - lease.MinEndedRetention.Milliseconds())
		for _, r := range rs {
			if r.RenewOp == op && r.EndReason == lease.EndRevoked {
				reply.Leases = append(reply.Leases, r.Lease())
			}
		}
		return reply, true, err
	}
	return backend.ForceReply{Outcome: backend.Done}, false, nil
}

// onlyThrough returns the tree claim of r by which alone q.Path reaches it: to
// force the path's release would end what covers far more.
func onlyThrough(q lease.Query, r *Record) (lease.Claim, bool) {
	if q.Path == "" || q.ID != "" || q.Holder != "" || q.Under != "" ||
		slices.ContainsFunc(r.Claims, func(c lease.Claim) bool { return c.Path == q.Path }) {
		return lease.Claim{}, false
	}
	i := slices.IndexFunc(r.Claims, func(c lease.Claim) bool { return lease.Covers(c, q.Path) })
	return r.Claims[i], true
}

// onlyTree returns a tree claim that only q.Path reaches, of what q selects.
func (s *Step) onlyTree(q lease.Query) (lease.Claim, bool, error) {
	if q.Path == "" {
		return lease.Claim{}, false, nil
	}
	for after, n := int64(0), 0; ; {
		rs, err := s.tx.Select(q, after, maxEnds)
		if err != nil {
			return lease.Claim{}, false, err
		}
		for _, r := range rs {
			after = r.Arrival
			if r.Over(s.now) {
				continue
			}
			if n++; q.Limit > 0 && n > q.Limit {
				return lease.Claim{}, false, nil
			}
			if c, only := onlyThrough(q, r); only {
				return c, true, nil
			}
		}
		if len(rs) < maxEnds {
			return lease.Claim{}, false, nil
		}
	}
}

// Sweep is [backend.Store.Sweep] as one step.
func (s *Step) Sweep(limit int) (backend.SweepReply, error) {
	var reply backend.SweepReply
	due, err := s.tx.Due(s.now, limit)
	if err != nil {
		return reply, err
	}
	for _, r := range due {
		if r.Status == lease.Active {
			reply.Result.Expired++
		} else {
			reply.Result.Lapsed++
		}
		if err := s.expire(r); err != nil {
			return reply, err
		}
	}
	if err := s.wake(); err != nil {
		return reply, err
	}
	left := limit - len(due)
	if left > 0 {
		before := s.now - s.config.EndedRetention.Milliseconds()
		if reply.Result.Forgotten, err = s.tx.Forget(before, s.now, s.config.EndedMax, left); err != nil {
			return reply, err
		}
		left -= reply.Result.Forgotten
	}
	if left > 0 && (s.config.HistoryRetention > 0 || s.config.HistoryMaxEvents > 0) {
		before := int64(-1)
		if s.config.HistoryRetention > 0 {
			before = s.now - s.config.HistoryRetention.Milliseconds()
		}
		if reply.Result.Trimmed, err = s.tx.Trim(before, s.config.HistoryMaxEvents, left); err != nil {
			return reply, err
		}
		left -= reply.Result.Trimmed
	}
	reply.More = left == 0
	return reply, nil
}

// SetConfig is [backend.Store.SetConfig] as one step.
func (s *Step) SetConfig(c lease.Config) (lease.Config, error) {
	if c.Version != s.config.Version {
		return s.config, lease.ErrVersion
	}
	c.Version++
	s.config = c
	if err := s.tx.SetConfig(c); err != nil {
		return c, err
	}
	return c, s.record(lease.KindConfig, s.now, nil, "", "")
}
