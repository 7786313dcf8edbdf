package rules

import "github.com/leasekit/leasekit/lease"

// Pass ends those of these waiters that nobody will ask for any more
// ([Tx.Gone]), as far as one step may, and wakes those behind them. A store that
// learns that a client is gone calls it for the waiters of that client. Steps pass
// whom they come across, but none comes along where a waiter was hinted, and its
// client ended before it asked.
func (s *Step) Pass(waiters []lease.ID) error {
	for _, id := range waiters {
		if s.full() {
			break
		}
		r, err := s.tx.Find(id)
		if err != nil {
			return err
		}
		if r == nil || r.Status != lease.Pending {
			continue
		}
		if _, err := s.dropIfOver(r); err != nil {
			return err
		}
	}
	return s.wake()
}
