package rules

import (
	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Renew is [backend.Store.Renew] as one step.
func (s *Step) Renew(a backend.RenewArgs) (backend.RenewReply, error) {
	if a.Reserve > 0 {
		return s.reserve(a)
	}
	if c := s.stale(a.ConfigVersion); c != nil {
		return backend.RenewReply{Outcome: backend.Stale, Config: c, Now: s.clock()}, nil
	}
	reply, err := s.renew(a)
	reply.Now = s.clock()
	if err == nil {
		err = s.wake()
	}
	return reply, err
}

func (s *Step) renew(a backend.RenewArgs) (backend.RenewReply, error) {
	r, end, err := s.referred(a.Ref)
	if err != nil || end.Err != nil {
		return backend.RenewReply{Outcome: backend.Gone, End: end}, err
	}
	switch {
	case a.Op == r.RenewOp:
		return s.renewed(r, backend.Done)
	case a.Op < r.RenewOp:
		return s.renewed(r, backend.Overtaken)
	}
	if a.Relabel {
		return s.relabel(r, a)
	}
	var parent *Record
	if r.Parent.ID != "" {
		if parent, end, err = s.referred(r.Parent); err != nil || end.Err != nil {
			return backend.RenewReply{Outcome: backend.Gone, End: end}, err
		}
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
		r.Deadline = s.within(s.up+ttl, parent)
	} else {
		r.Deadline = max(r.Deadline, s.within(s.up+r.TTL, parent))
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
	return s.renewed(r, backend.Done)
}

// relabel changes the labels of r. It shares the order of renewals: so no late
// copy undoes what came after it.
func (s *Step) relabel(r *Record, a backend.RenewArgs) (backend.RenewReply, error) {
	r.Labels, r.RenewOp, r.Updated = a.Labels, a.Op, s.now
	if err := s.tx.Relabel(r); err != nil {
		return backend.RenewReply{}, err
	}
	if err := s.record(lease.KindRelabelled, s.now, r, "", ""); err != nil {
		return backend.RenewReply{}, err
	}
	return s.renewed(r, backend.Done)
}

func (s *Step) renewed(r *Record, o backend.Outcome) (backend.RenewReply, error) {
	reply := backend.RenewReply{Outcome: o, Lease: r.Lease(), Remaining: s.remaining(r)}
	if o == backend.Overtaken {
		reply.Op = r.RenewOp
	}
	var err error
	reply.Lease.Contention, err = contention(&s.tx, r, s.counters.Waiting, s.now)
	reply.Lease = shifted(reply.Lease, s.dates)
	return reply, err
}

// reserve gives the holder of a lease the next tokens. That is no change of the
// lease, and no event: a gap in the tokens means nothing.
func (s *Step) reserve(a backend.RenewArgs) (backend.RenewReply, error) {
	reply := backend.RenewReply{Outcome: backend.Gone, Now: s.clock()}
	r, end, err := s.referred(a.Ref)
	if err == nil && end.Err == nil {
		reply.Outcome = backend.Done
		if s.cover == nil { // else they are to be reserved where that is
			reply.Tokens.First = s.nextToken()
			reply.Tokens.Last = reply.Tokens.First + lease.Token(a.Reserve) - 1
			s.counters.Token = reply.Tokens.Last
		}
		// Written back as it is: a transaction that changes no record may not be saved.
		err = s.tx.Update(r, r.Status)
	}
	reply.End = end
	if err == nil {
		err = s.wake()
	}
	return reply, err
}
