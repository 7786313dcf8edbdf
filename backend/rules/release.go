package rules

import (
	"strings"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Release is [backend.Store.Release] as one step.
func (s *Step) Release(a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	end, err := s.release(a.Ref)
	if err == nil {
		err = s.wake()
	}
	if end.Err != nil {
		return backend.ReleaseReply{Outcome: backend.Gone, End: end}, err
	}
	return backend.ReleaseReply{Outcome: backend.Done}, err
}

func (s *Step) release(ref lease.Ref) (backend.End, error) {
	r, err := s.find(ref.ID)
	switch {
	case err != nil:
		return backend.End{}, err
	case r == nil:
		return gone(lease.ErrNotFound), nil
	case r.Holder != ref.Holder || ref.Token != 0 && ref.Token != r.Token:
		return gone(lease.ErrNotHolder), nil
	case r.Status == lease.Active:
		return backend.End{}, s.end(r, lease.Released, lease.EndReleased, lease.KindReleased, s.now)
	case r.Status == lease.Pending:
		s.tx.Notify(r.ID) // a call that still waits asks again, and learns that it was given up
		for attempt := range strings.FieldsFuncSeq(r.Attempts, func(c rune) bool { return c == '\n' }) {
			if err := s.addTombstone(attempt); err != nil {
				return backend.End{}, err
			}
		}
		return backend.End{}, s.end(r, lease.Failed, lease.EndCancelled, lease.KindWithdrawn, s.now)
	case r.Status == lease.Released && r.EndReason == lease.EndReleased, r.EndReason == lease.EndCancelled:
		return backend.End{}, nil // a repeated call
	}
	return endOf(r), nil
}

// addTombstone remembers that an attempt is over, for as long as copies of its
// asks may arrive.
func (s *Step) addTombstone(attempt string) error {
	until := s.now + lease.MinEndedRetention.Milliseconds()
	s.counters.Tombstones = max(s.counters.Tombstones, until)
	return s.tx.AddTombstone(attempt, until)
}

// Withdraw is [backend.Store.Withdraw] as one step.
func (s *Step) Withdraw(a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	reply, err := s.withdraw(a)
	if err == nil {
		err = s.wake()
	}
	return reply, err
}

func (s *Step) withdraw(a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	done := backend.WithdrawReply{Outcome: backend.Done}
	if err := s.addTombstone(a.Attempt); err != nil {
		return done, err
	}
	r, err := s.find(a.ID)
	if err != nil || r == nil || r.Status.Ended() || r.Holder != a.Holder || !r.asked(a.Attempt) {
		return done, err
	}
	if r.Status == lease.Active && r.Replace.ID != "" {
		return backend.WithdrawReply{Outcome: backend.Refused, Lease: s.lease(r), Remaining: s.remaining(r)}, nil
	}
	if !r.leave(a.Attempt) {
		return done, s.tx.Update(r, r.Status)
	}
	return done, s.end(r, lease.Failed, a.Why, lease.KindWithdrawn, s.now)
}
