package redisbackend

import (
	"context"
	"strconv"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// watchInterval is how soon a watcher that has seen everything looks again.
const watchInterval = 50 * time.Millisecond

// Events implements [backend.Store].
func (s *Store) Events(ctx context.Context, q lease.Query, limit int) ([]lease.Event, lease.Seq, time.Duration, error) {
	after := ""
	if q.After != lease.Now {
		after = strconv.FormatUint(uint64(q.After), 10)
	}
	r, err := s.do(ctx, "events", after)
	if err != nil {
		return nil, 0, 0, err
	}
	head, oldest, texts := lease.Seq(r.uint(0)), lease.Seq(r.uint(1)), r.texts(2)
	if r.err() != nil {
		return nil, 0, 0, r.err()
	}
	if q.After >= head {
		return nil, head, watchInterval, nil
	}
	if q.After != 0 && q.After+1 < oldest {
		return nil, 0, 0, &lease.TrimmedError{After: q.After, Oldest: oldest}
	}
	var found []lease.Event
	next := max(q.After, oldest-1)
	for i := 0; i+2 < len(texts) && len(found) < limit; i += 3 {
		e, err := decodeEvent(texts[i], texts[i+1], texts[i+2])
		if err != nil {
			return nil, 0, 0, err
		}
		next = e.Seq
		if q.MatchesEvent(e) {
			found = append(found, e)
		}
	}
	return found, next, watchInterval, nil
}
