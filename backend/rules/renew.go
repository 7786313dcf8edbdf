package rules

import (
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Renew is [backend.Store.Renew] as one step.
func (s *Step) Renew(a backend.RenewArgs) (backend.RenewReply, error) {
	if c := s.stale(a.ConfigVersion); c != nil {
		return backend.RenewReply{Outcome: backend.Stale, Config: c}, nil
	}
	reply, err := s.renew(a)
	if err == nil {
		err = s.wake()
	}
	return reply, err
}

func (s *Step) renew(a backend.RenewArgs) (backend.RenewReply, error) {
	r, end, err := s.held(a.Ref)
	if err != nil || end.Err != nil {
		return backend.RenewReply{Outcome: backend.Gone, End: end}, err
	}
	if r.RenewOp == a.Op {
		return s.renewed(r)
	}
	ttl := a.TTL.Milliseconds()
	switch {
	case ttl == 0 && span(r.TTL) > a.MaxTTL:
		return backend.RenewReply{Outcome: backend.TooLong}, nil
	case r.MaxRenewals == lease.NoRenewals || r.MaxRenewals >= 0 && r.Renewals >= r.MaxRenewals:
		return backend.RenewReply{Outcome: backend.LimitHit}, nil
	}
	before := r.Deadline
	if ttl > 0 {
		r.Deadline = s.up + ttl
	} else {
		r.Deadline = max(r.Deadline, s.up+r.TTL)
	}
	r.Renewals++
	r.RenewOp, r.Updated = a.Op, s.now
	if err := s.tx.Update(r, r.Status); err != nil {
		return backend.RenewReply{}, err
	}
	if r.Deadline < before {
		if err := s.hint(r); err != nil {
			return backend.RenewReply{}, err
		}
	}
	if err := s.record(lease.KindRenewed, s.now, r, "", ""); err != nil {
		return backend.RenewReply{}, err
	}
	return s.renewed(r)
}

func (s *Step) renewed(r *Record) (backend.RenewReply, error) {
	l := r.Lease()
	var err error
	l.Contention, err = s.Contention(r)
	return backend.RenewReply{Outcome: backend.Done, Lease: l, Remaining: s.remaining(r)}, err
}

// hint wakes the next in line of each claim of r, a lease: they counted on a
// later end of what is in their way.
func (s *Step) hint(r *Record) error {
	if s.counters.Waiting == 0 {
		return nil
	}
	for _, c := range r.Claims {
		us, err := s.tx.Waiters(Overlap{Claim: c, Skip: r.Holder, Limit: 1})
		if err != nil {
			return err
		}
		for _, u := range us {
			s.tx.Notify(u.ID)
		}
	}
	return nil
}

// held returns the active lease that ref proves to hold, or why it does not.
func (s *Step) held(ref lease.Ref) (*Record, backend.End, error) {
	r, err := s.find(ref.ID)
	switch {
	case err != nil:
		return nil, backend.End{}, err
	case r == nil:
		return nil, gone(lease.ErrNotFound), nil
	case r.Holder != ref.Holder || r.Token != ref.Token:
		return nil, gone(lease.ErrNotHolder), nil
	case r.Status.Ended():
		return nil, endOf(r), nil
	}
	return r, backend.End{}, nil
}

// Contention tells who waits for what r, a lease, holds. It changes nothing.
func (s *Step) Contention(r *Record) (lease.Contention, error) {
	return Contend(s.tx, r, s.counters.Waiting, s.now)
}

// Contend tells who waits at this moment for what r holds.
func Contend(tx interface {
	Waiters(o Overlap) ([]*Record, error)
}, r *Record, waiting int, now int64) (lease.Contention, error) {
	var k lease.Contention
	if waiting == 0 || r.Status != lease.Active {
		return k, nil
	}
	var since time.Time
	var seen []*Record
	o := Overlap{Limit: lease.MaxContention}
	for _, o.Claim = range r.Claims {
		us, err := tx.Waiters(o)
		if err != nil {
			return k, err
		}
		for _, u := range us {
			if u.Over(now) || u.Holder == r.Holder && !u.Distinct || k.Waiters == lease.MaxContention {
				continue
			}
			if len(r.Claims) > 1 {
				if has(seen, u) {
					continue
				}
				seen = append(seen, u)
			}
			if k.Waiters == 0 || u.Priority > k.Priority {
				k.Priority = u.Priority
			}
			if at := moment(u.Created); k.Waiters == 0 || at.Before(since) {
				since = at
			}
			k.Waiters++
		}
	}
	k.Since = since
	return k, nil
}
