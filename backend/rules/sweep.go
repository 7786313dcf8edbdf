package rules

import (
	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Sweep is [backend.Store.Sweep] as one step.
func (s *Step) Sweep(limit int) (backend.SweepReply, error) {
	var reply backend.SweepReply
	due, err := s.tx.Due(s.now, limit)
	if err != nil {
		return reply, err
	}
	for _, r := range due {
		if s.ended.has(r.ID) { // together with another one
			continue
		}
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
		// Late copies of calls are known by what is remembered, whatever the
		// settings say.
		forget := Forget{
			Before: s.now - s.config.EndedRetention.Milliseconds(), Spare: s.now - lease.MinEndedRetention.Milliseconds(),
			Keep: s.config.EndedMax, Limit: left, Now: s.now,
		}
		forget.Before = min(forget.Before, forget.Spare)
		if reply.Result.Forgotten, err = s.tx.Forget(forget); err != nil {
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
