package redisbackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Release implements [backend.Store].
func (s *Store) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	r, err := s.do(ctx, "release", string(a.Ref.ID), a.Ref.Holder, formatToken(a.Ref.Token))
	if err != nil {
		return backend.ReleaseReply{}, err
	}
	reply := backend.ReleaseReply{Outcome: r.known()}
	if reply.Outcome == backend.Gone {
		reply.End = r.end()
	}
	return reply, r.err()
}

// Withdraw implements [backend.Store].
func (s *Store) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	r, err := s.do(ctx, "withdraw", string(a.ID), a.Holder, a.Attempt, reasonLetter(a.Why))
	if err != nil {
		return backend.WithdrawReply{}, err
	}
	reply := backend.WithdrawReply{Outcome: r.known()}
	if reply.Outcome == backend.Refused {
		reply.Lease, reply.Remaining = r.lease(a.ID, 1)
	}
	return reply, r.err()
}

func reasonLetter(why lease.EndReason) string {
	for letter, reason := range reasonOf {
		if reason == why {
			return string([]byte{letter})
		}
	}
	return ""
}
