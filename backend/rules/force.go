package rules

import (
	"errors"
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
	outcome := backend.Done
	err := s.selected(q, func(r *Record) (bool, error) {
		if s.full() || len(reply.Leases) == limit {
			if q.Limit == 0 || len(reply.Leases) < q.Limit {
				outcome = backend.Again
			}
			return false, nil
		}
		if over, err := s.dropIfOver(r); err != nil || over {
			return true, err
		}
		if _, only := onlyThrough(q, r); only {
			return true, nil
		}
		r.Actor, r.Reason, r.RenewOp = a.Revocation.Actor, a.Revocation.Reason, a.Op
		if err := s.endBy(r, lease.Failed, lease.EndRevoked, lease.KindRevoked, s.now, a.Revocation.Actor, a.Revocation.Reason); err != nil {
			return false, err
		}
		// A waiting call asks again, and learns that it was revoked.
		s.tx.Notify(r.ID)
		reply.Leases = append(reply.Leases, s.lease(r))
		return true, nil
	})
	return outcome, err
}

// selected yields what is recorded as Active or Pending and selected by q, by
// arrival, until yield returns false. A record that q does not match, of a store
// that forgot to look, is passed over; a store that goes in a circle is an error.
func (s *Step) selected(q lease.Query, yield func(*Record) (bool, error)) error {
	for after := int64(0); ; {
		rs, err := s.tx.Select(q, after, maxEnds)
		if err != nil {
			return err
		}
		for _, r := range rs {
			if r.Arrival <= after {
				return errCircle
			}
			after = r.Arrival
			if r.Status.Ended() || !backend.Matches(q, r.Lease()) || !backend.MatchesStatus(q, r.Status) {
				continue
			}
			if on, err := yield(r); err != nil || !on {
				return err
			}
		}
		if len(rs) < maxEnds {
			return nil
		}
	}
}

var errCircle = errors.New("the store selected what does not come after what it had selected before")

// forcedName is the name of the tombstone by which a call that arrives again is
// known.
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
				reply.Leases = append(reply.Leases, s.lease(r))
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

// onlyTree returns a tree claim that only q.Path reaches, of what q selects: of
// as much as the step may read.
func (s *Step) onlyTree(q lease.Query) (claim lease.Claim, found bool, err error) {
	if q.Path == "" {
		return lease.Claim{}, false, nil
	}
	n := 0
	err = s.selected(q, func(r *Record) (bool, error) {
		if r.Over(s.now) {
			return true, nil
		}
		if n++; q.Limit > 0 && n > q.Limit {
			return false, nil
		}
		claim, found = onlyThrough(q, r)
		return !found && !s.tx.spent(), nil
	})
	return claim, found, err
}
