package rules

import (
	"fmt"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Acquire is [backend.Store.Acquire] as one step.
func (s *Step) Acquire(a backend.AcquireArgs) (backend.AcquireReply, error) {
	reply, err := s.acquire(a)
	reply.Now = s.clock()
	if err == nil {
		err = s.wake()
	}
	return reply, err
}

func (s *Step) acquire(a backend.AcquireArgs) (backend.AcquireReply, error) {
	if !a.NotAfter.IsZero() && s.now > a.NotAfter.UnixMilli() {
		return backend.AcquireReply{Outcome: backend.Late}, nil
	}
	if c := s.stale(a.ConfigVersion); c != nil {
		return backend.AcquireReply{Outcome: backend.Stale, Config: c}, nil
	}
	r, err := s.find(a.Request.ID)
	if err != nil {
		return backend.AcquireReply{}, err
	}
	if r != nil && a.Again && r.asked(a.Attempt) && r.EndReason == lease.EndCancelled {
		// The holder gave up the place of a call that still waits.
		return backend.AcquireReply{Outcome: backend.Gone, End: gone(lease.ErrReleased)}, nil
	}
	if s.counters.Tombstones > s.now {
		if until, err := s.tx.Tombstone(a.Attempt); err != nil || until > s.now {
			return backend.AcquireReply{Outcome: backend.Withdrawn}, err
		}
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
	}
	return s.decide(r, a, false, keeps)
}

// keepPlace makes r's place last from now; an ask with a shorter PlaceTTL than
// one before it never shortens it. A place that was asked for with a QueueTTL is
// the client's own, across processes: no process takes it along.
func (s *Step) keepPlace(r *Record, a backend.AcquireArgs) {
	r.Deadline, r.Client = max(r.Deadline, s.now+a.PlaceTTL.Milliseconds()), s.client
	if a.Request.QueueTTL > 0 || r.Attempts == "" {
		r.Client = ""
	}
}

// arrive handles the first ask of a request.
func (s *Step) arrive(a backend.AcquireArgs) (backend.AcquireReply, error) {
	q := a.Request
	if a.Quota > 0 {
		if over, err := s.overQuota(q, a.Quota); err != nil || over {
			return backend.AcquireReply{Outcome: backend.OverQuota}, err
		}
	}
	r := s.blank()
	*r = Record{
		ID: q.ID, Holder: q.Holder, Claims: q.Claims, Labels: q.Labels, TTL: q.TTL.Milliseconds(),
		MaxRenewals: q.MaxRenewals, Priority: q.Priority, Distinct: q.Distinct, Replace: q.Replace, Parent: q.Parent,
		Attempts: a.Attempt, Arrival: s.counters.Arrivals + 1, Key: s.now - a.HeadStart.Milliseconds(),
		Created: s.now, Updated: s.now,
	}
	if s.cover != nil {
		for _, c := range r.Claims {
			if !s.cover.contains(c) {
				return backend.AcquireReply{Outcome: backend.BadParent, Problem: notWithin(c)}, nil
			}
		}
	}
	problem, end, err := s.placeUnder(r)
	switch {
	case err != nil:
		return backend.AcquireReply{}, err
	case end.Err != nil:
		return backend.AcquireReply{Outcome: backend.Gone, End: end}, nil //nolint:nilerr // a refusal is a reply
	case problem != "":
		return backend.AcquireReply{Outcome: backend.BadParent, Problem: problem}, nil
	}
	return s.decide(r, a, true, true)
}

// placeUnder fixes the chain of a request that arrives: its parent and that
// one's chain. A request without a parent takes over that of the lease that it
// replaces.
func (s *Step) placeUnder(r *Record) (problem string, end backend.End, err error) {
	if r.Parent.ID == "" && r.Replace.ID != "" && s.counters.Subleases > 0 {
		old, end, err := s.referred(r.Replace)
		if err != nil || end.Err != nil {
			return "", end, err
		}
		r.Parent = old.Parent
	}
	if r.Parent.ID == "" {
		return "", end, nil
	}
	parent, end, err := s.referred(r.Parent)
	if err != nil || end.Err != nil {
		return "", end, err
	}
	r.Chain = append([]lease.ID{parent.ID}, parent.Chain...)
	if len(r.Chain) > lease.MaxChain {
		return fmt.Sprintf("%q lies under %d leases, the most there may be", parent.ID, lease.MaxChain), end, nil
	}
	for _, id := range r.Chain {
		if id == r.Replace.ID {
			return "the lease that is replaced is the parent, or the parent lies under it", end, nil
		}
	}
	for _, c := range r.Claims {
		if !parent.covers(c) {
			return notWithin(c), end, nil
		}
	}
	return "", end, nil
}

func notWithin(c lease.Claim) string { return fmt.Sprintf("%s is not within its claims", c) }

// overQuota reports whether one more lease or waiter of the holder is too many.
// What the request would replace does not count.
func (s *Step) overQuota(q lease.Request, quota int) (bool, error) {
	n, err := s.tx.Count(q.Holder, s.now)
	if err != nil || n < quota || q.Replace.ID == "" {
		return n >= quota, err
	}
	old, err := s.active(q.Replace.ID)
	if err == nil && old != nil && old.Holder == q.Holder {
		n--
	}
	return n >= quota, err
}

// decide grants r, keeps its place, or refuses it. first says that r is not in
// the store yet, changed that it must be written back.
func (s *Step) decide(r *Record, a backend.AcquireArgs, first, changed bool) (backend.AcquireReply, error) {
	old, parent, end, err := s.named(r, first)
	if err != nil || end.Err != nil {
		return backend.AcquireReply{Outcome: backend.Gone, End: end}, err
	}
	if a.PlaceTTL > 0 {
		s.keepPlace(r, a)
	}
	block, err := s.blockers(r, a.Blockers)
	if err != nil {
		return backend.AcquireReply{}, err
	}
	switch {
	case s.full(), s.cover.spent() && !block.any():
		if changed && !first {
			err = s.tx.Update(r, r.Status)
		}
		return backend.AcquireReply{Outcome: backend.Again}, err
	case !block.any():
		return s.take(r, old, parent, a, first)
	case first && a.PlaceTTL == 0:
		s.counters.Refused++
		return s.blockedReply(backend.Refused, block, a.Blockers, parent), nil
	case first:
		err = s.enqueue(r)
	case changed:
		err = s.tx.Update(r, r.Status)
	}
	if err != nil {
		return backend.AcquireReply{}, err
	}
	if a.Deadlock && !r.Distinct {
		walked := maxWalked
		if a.Blockers {
			walked = maxWork
		}
		cycle, err := s.cycle(r, walked)
		if err != nil {
			return backend.AcquireReply{}, err
		}
		if cycle != nil {
			reply := s.blockedReply(backend.Deadlocked, block, a.Blockers, parent)
			reply.Cycle = cycle
			return reply, s.end(r, lease.Failed, lease.EndDeadlock, lease.KindWithdrawn, s.now)
		}
	}
	reply := s.blockedReply(backend.Queued, block, a.Blockers, parent)
	reply.Position = block.waiters + 1
	reply.Lease = s.lease(r)
	return reply, nil
}

// named returns the lease that r would replace and the one under whose cover it
// is, each nil if r names none. If one of them has ended, so does r, as that
// did.
func (s *Step) named(r *Record, first bool) (old, parent *Record, end backend.End, err error) {
	if old, end, err = s.namedBy(r, r.Replace, first); err != nil || end.Err != nil {
		return nil, nil, end, err
	}
	if parent, end, err = s.namedBy(r, r.Parent, first); err != nil || end.Err != nil {
		return nil, nil, end, err
	}
	return old, parent, end, nil
}

func (s *Step) namedBy(r *Record, ref lease.Ref, first bool) (*Record, backend.End, error) {
	if ref.ID == "" {
		return nil, backend.End{}, nil
	}
	named, end, err := s.referred(ref)
	if err == nil && end.Err != nil && !first {
		err = s.fail(r, named, end)
	}
	return named, end, err
}
