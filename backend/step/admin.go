package step

import (
	"slices"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Force is [backend.Store.Force] as one step: at most maxEnds at a time.
func (s *Step) Force(a backend.ForceArgs) (backend.ForceReply, error) {
	q := a.Query
	if claim, found, err := s.onlyTree(q); err != nil || found {
		return backend.ForceReply{Outcome: backend.TreeOnly, Tree: claim}, err
	}
	reply := backend.ForceReply{Outcome: backend.Done}
	limit := maxEnds
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	for after := int64(0); ; {
		rs, err := s.tx.Select(q, after, maxEnds)
		if err != nil {
			return reply, err
		}
		for _, r := range rs {
			after = r.Arrival
			if r.Over(s.now) {
				if err := s.expire(r); err != nil {
					return reply, err
				}
				continue
			}
			if len(q.Status) > 0 && !slices.Contains(q.Status, r.Status) {
				continue
			}
			if len(reply.Leases) == limit {
				if q.Limit == 0 || limit < q.Limit {
					reply.Outcome = backend.Again
				}
				return reply, s.wake()
			}
			r.Actor, r.Note = a.Force.Actor, a.Force.Reason
			if err := s.endBy(r, lease.Failed, lease.EndRevoked, lease.KindRevoked, s.now, a.Force.Actor, a.Force.Reason); err != nil {
				return reply, err
			}
			// A waiting call asks again, and learns that it was revoked.
			s.tx.Wake(r.ID)
			reply.Leases = append(reply.Leases, r.Lease())
		}
		if len(rs) < maxEnds {
			return reply, s.wake()
		}
		if s.ends >= maxEnds {
			reply.Outcome = backend.Again
			return reply, s.wake()
		}
	}
}

// onlyTree returns a tree claim that only q.Path reaches: to force the path's
// release would end what covers far more.
func (s *Step) onlyTree(q lease.Query) (lease.Claim, bool, error) {
	if q.Path == "" || q.ID != "" || q.Holder != "" || q.Under != "" {
		return lease.Claim{}, false, nil
	}
	for after := int64(0); ; {
		rs, err := s.tx.Select(q, after, maxEnds)
		if err != nil {
			return lease.Claim{}, false, err
		}
		for _, r := range rs {
			after = r.Arrival
			if r.Over(s.now) || slices.ContainsFunc(r.Claims, func(c lease.Claim) bool { return c.Path == q.Path }) {
				continue
			}
			i := slices.IndexFunc(r.Claims, func(c lease.Claim) bool { return lease.Covers(c, q.Path) })
			return r.Claims[i], true, nil
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
