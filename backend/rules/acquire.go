package rules

import (
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Acquire is [backend.Store.Acquire] as one step.
func (s *Step) Acquire(a backend.AcquireArgs) (backend.AcquireReply, error) {
	if c := s.stale(a.ConfigVersion); c != nil {
		return backend.AcquireReply{Outcome: backend.Stale, Config: c}, nil
	}
	reply, err := s.acquire(a)
	if err == nil {
		err = s.wake()
	}
	return reply, err
}

func (s *Step) acquire(a backend.AcquireArgs) (backend.AcquireReply, error) {
	if s.counters.Tombstones > s.now {
		if until, err := s.tx.Tombstone(a.Attempt); err != nil || until > s.now {
			return backend.AcquireReply{Outcome: backend.Withdrawn}, err
		}
	}
	r, err := s.find(a.Request.ID)
	if err != nil {
		return backend.AcquireReply{}, err
	}
	if r != nil && a.Again && r.asked(a.Attempt) && r.EndReason == lease.EndCancelled {
		// The holder gave up the place of a call that still waits.
		return backend.AcquireReply{Outcome: backend.Gone, End: gone(lease.ErrReleased)}, nil
	}
	if r == nil || r.withdrawn() {
		return s.arrive(a)
	}
	if !r.is(a.Request) {
		return backend.AcquireReply{Outcome: backend.Mismatch}, nil
	}
	if r.Status.Ended() {
		return backend.AcquireReply{Outcome: backend.Gone, End: endOf(r)}, nil
	}
	if r.Status == lease.Active {
		if r.join(a.Attempt) {
			err = s.tx.Update(r, r.Status)
		}
		return s.granted(r), err
	}
	// A try without a place only looks at the one that the request has: it will
	// not be withdrawn.
	keeps := a.PlaceTTL > 0
	if keeps {
		r.join(a.Attempt)
		r.Deadline = s.now + a.PlaceTTL.Milliseconds()
	}
	return s.decide(r, a, false, keeps)
}

// arrive handles the first ask of a request.
func (s *Step) arrive(a backend.AcquireArgs) (backend.AcquireReply, error) {
	q := a.Request
	if a.Quota > 0 {
		over, err := s.overQuota(q, a.Quota)
		switch {
		case err != nil || over:
			return backend.AcquireReply{Outcome: backend.OverQuota}, err
		case s.ends >= maxEnds:
			return backend.AcquireReply{Outcome: backend.Again}, nil
		}
	}
	r := &Record{
		ID: q.ID, Holder: q.Holder, Claims: q.Claims, Labels: q.Labels, TTL: q.TTL.Milliseconds(),
		MaxRenewals: q.MaxRenewals, Priority: q.Priority, Distinct: q.Distinct, Replace: q.Replace,
		Attempts: a.Attempt, Arrival: s.counters.Arrivals + 1, Key: s.now - a.HeadStart.Milliseconds(),
		Created: s.now, Updated: s.now,
	}
	if a.PlaceTTL > 0 {
		r.Deadline = s.now + a.PlaceTTL.Milliseconds()
	}
	return s.decide(r, a, true, true)
}

// overQuota reports whether one more lease or waiter of the holder is too many.
// What the request would replace does not count. It records the ends that it
// comes across: if they are as many as a step may record, it has not counted
// what lies behind.
func (s *Step) overQuota(q lease.Request, quota int) (bool, error) {
	limit := quota + maxEnds + 1 // one may be replaced
	count := func(rs []*Record) (n int, err error) {
		rs, err = s.live(rs)
		for _, r := range rs {
			if r.ID != q.Replace.ID {
				n++
			}
		}
		return n, err
	}
	leases, err := s.tx.LeasesOf(q.Holder, limit)
	if err != nil {
		return false, err
	}
	n, err := count(leases)
	if err != nil || n >= quota || len(leases) == limit {
		return n >= quota, err
	}
	waiters, err := s.tx.WaitersOf(q.Holder, limit)
	if err != nil {
		return false, err
	}
	more, err := count(waiters)
	return n+more >= quota, err
}

// decide grants r, keeps its place, or refuses it. first says that r is not in
// the store yet, changed that it must be written back.
func (s *Step) decide(r *Record, a backend.AcquireArgs, first, changed bool) (backend.AcquireReply, error) {
	old, end, err := s.replaced(r)
	if err != nil {
		return backend.AcquireReply{}, err
	}
	if end.Err != nil {
		if !first {
			err = s.fail(r, old, end)
		}
		return backend.AcquireReply{Outcome: backend.Gone, End: end}, err
	}
	block, err := s.blockers(r)
	if err != nil {
		return backend.AcquireReply{}, err
	}
	switch {
	case block.again:
		if changed && !first {
			err = s.tx.Update(r, r.Status)
		}
		return backend.AcquireReply{Outcome: backend.Again}, err
	case block.count == 0:
		r.join(a.Attempt)
		if err := s.grant(r, old, first); err != nil {
			return backend.AcquireReply{}, err
		}
		// Those behind a waiter count on the end of its place, and ask again at
		// their heartbeat: a lease that ends before that concerns them now.
		if !first && span(r.TTL) < a.PlaceTTL/3 {
			err = s.hint(r)
		}
		if err == nil && !first {
			err = s.passOn(r)
		}
		return s.granted(r), err
	case first && a.PlaceTTL == 0:
		s.counters.Refused++
		return block.reply(backend.Refused), nil
	case first:
		err = s.enqueue(r)
	case changed:
		err = s.tx.Update(r, r.Status)
	}
	if err != nil {
		return backend.AcquireReply{}, err
	}
	if a.Deadlock && !r.Distinct {
		cycle, err := s.cycle(r)
		if err != nil {
			return backend.AcquireReply{}, err
		}
		if cycle != nil {
			reply := block.reply(backend.Deadlocked)
			reply.Cycle = cycle
			return reply, s.end(r, lease.Failed, lease.EndDeadlock, lease.KindWithdrawn, s.now)
		}
	}
	reply := block.reply(backend.Queued)
	reply.Position = block.waiters + 1
	reply.Lease = r.Lease()
	return reply, nil
}

// enqueue gives r its place in line.
func (s *Step) enqueue(r *Record) error {
	s.counters.Arrivals++
	s.counters.Waiting++
	if err := s.tx.Put(r); err != nil {
		return err
	}
	s.freed = append(s.freed, freed{holder: r.Holder, joined: r})
	return s.record(lease.KindQueued, s.now, r, "", "")
}

// grant makes r a lease. old, if not nil, is the lease that it replaces.
func (s *Step) grant(r, old *Record, first bool) error {
	if old != nil {
		reason, kind, actor := lease.EndReplaced, lease.KindReplaced, ""
		if old.Holder != r.Holder {
			reason, kind, actor = lease.EndTransferred, lease.KindTransferred, r.Holder
		}
		old.Successor = r.ID
		if err := s.endBy(old, lease.Released, reason, kind, s.now, actor, ""); err != nil {
			return err
		}
	}
	s.counters.Token = max(s.counters.Token+1, lease.Token(s.now)*tokensPerMilli)
	r.Token, r.Status = s.counters.Token, lease.Active
	r.Granted, r.Updated, r.Deadline = s.now, s.now, s.up+r.TTL
	var err error
	if first {
		s.counters.Arrivals++
		err = s.tx.Put(r)
	} else {
		s.counters.Waiting--
		err = s.tx.Update(r, lease.Pending)
	}
	if err != nil {
		return err
	}
	s.freed = append(s.freed, freed{holder: r.Holder, joined: r})
	return s.record(lease.KindGranted, s.now, r, "", "")
}

// tokensPerMilli makes tokens jump with time, so that they go on rising even
// after a store lost its newest ones (a failover, a restored backup).
const tokensPerMilli = 1024

// granted is the answer to a request that is a lease.
func (s *Step) granted(r *Record) backend.AcquireReply {
	return backend.AcquireReply{Outcome: backend.Done, Lease: r.Lease(), Remaining: s.remaining(r)}
}

func (s *Step) remaining(r *Record) time.Duration { return span(r.Deadline - s.now) }

// replaced returns the lease that r would replace, or how that lease ended.
func (s *Step) replaced(r *Record) (*Record, backend.End, error) {
	if r.Replace.ID == "" {
		return nil, backend.End{}, nil
	}
	old, err := s.find(r.Replace.ID)
	switch {
	case err != nil:
		return nil, backend.End{}, err
	case old == nil:
		return nil, gone(lease.ErrNotFound), nil
	case old.Holder != r.Replace.Holder || old.Token != r.Replace.Token:
		return nil, gone(lease.ErrNotHolder), nil
	case old.Status != lease.Active:
		return old, endOf(old), nil
	}
	return old, backend.End{}, nil
}

// fail ends a waiter whose lease to replace is gone: it fails as that did.
func (s *Step) fail(r, old *Record, end backend.End) error {
	reason := lease.EndCancelled
	if old != nil {
		reason, r.Successor = old.EndReason, old.Successor
	}
	r.Actor, r.Reason = end.Actor, end.Reason
	return s.end(r, lease.Failed, reason, lease.KindWithdrawn, s.now)
}
