package rules

import (
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// enqueue gives r its place in line.
func (s *Step) enqueue(r *Record) error {
	s.counters.Arrivals++
	s.counters.Waiting++
	if r.Parent.ID != "" {
		s.counters.Subleases++
	}
	if err := s.put(r); err != nil {
		return err
	}
	s.changed(change{holder: r.Holder, joined: r})
	return s.record(lease.KindQueued, s.now, r, "", "")
}

// put stores a request that arrives. Its ID may be that of one that has ended.
func (s *Step) put(r *Record) error {
	s.ended.remove(r.ID)
	return s.tx.Put(r)
}

// take grants r and wakes who must know of it.
func (s *Step) take(r, old, parent *Record, a backend.AcquireArgs, first bool) (backend.AcquireReply, error) {
	r.join(a.Attempt)
	if err := s.grant(r, old, parent, first); err != nil {
		return backend.AcquireReply{}, err
	}
	if first {
		return s.granted(r), nil
	}
	// Those behind a waiter count on the end of its place, and ask again at
	// their heartbeat: a lease that ends before that concerns them now. Their
	// places may last longer than this one did.
	if span(r.Deadline-s.now) < s.config.WaiterTTL/2 {
		if err := s.hint(r); err != nil {
			return backend.AcquireReply{}, err
		}
	}
	return s.granted(r), s.passOn(r)
}

// grant makes r a lease. old, if not nil, is the lease that it replaces, parent
// the one under whose cover it is, and which it does not outlast.
func (s *Step) grant(r, old, parent *Record, first bool) error {
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
	if s.counters.Token = s.nextToken(); s.cover != nil {
		s.counters.Token = s.cover.Token
	}
	r.Token, r.Status, r.Client = s.counters.Token, lease.Active, ""
	r.Granted, r.Updated, r.Deadline = s.now, s.now, s.within(s.up+r.TTL, parent)
	var err error
	if first {
		s.counters.Arrivals++
		if parent != nil {
			s.counters.Subleases++
		}
		err = s.put(r)
	} else {
		s.counters.Waiting--
		err = s.tx.Update(r, lease.Pending)
	}
	if err != nil {
		return err
	}
	s.changed(change{holder: r.Holder, joined: r})
	reason := ""
	if s.cover != nil && r.Deadline == s.cover.Until {
		reason = lease.ReasonCovered
	}
	return s.record(lease.KindGranted, s.now, r, "", reason)
}

// tokensPerMilli makes tokens jump with time, so that they go on rising even
// after a store lost its newest ones (a failover, a restored backup).
const tokensPerMilli = 1024

// nextToken returns the token that is next.
func (s *Step) nextToken() lease.Token {
	return max(s.counters.Token+1, lease.Token(s.now)*tokensPerMilli)
}

// within returns a deadline that is not after the parent's, nor that of the cover.
func (s *Step) within(deadline int64, parent *Record) int64 {
	if s.cover != nil {
		deadline = min(deadline, s.cover.Until)
	}
	if parent == nil {
		return deadline
	}
	return min(deadline, parent.Deadline)
}

// granted is the answer to a request that is a lease.
func (s *Step) granted(r *Record) backend.AcquireReply {
	return backend.AcquireReply{Outcome: backend.Done, Lease: s.lease(r), Remaining: s.remaining(r)}
}

func (s *Step) remaining(r *Record) time.Duration { return span(r.Deadline - s.now) }
