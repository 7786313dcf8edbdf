package redisbackend

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// How soon a watcher that has seen everything looks again: at first, and once nothing has happened for a while.
const (
	watchInterval = 50 * time.Millisecond
	idleInterval  = 200 * time.Millisecond
	idleAfter     = 5 * time.Second
)

// idle knows for how long the history has had the same head.
type idle struct {
	mu    sync.Mutex
	head  lease.Seq
	since time.Time
}

// interval returns how soon to look again after the head was this.
func (i *idle) interval(head lease.Seq) time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now := time.Now(); head != i.head || i.since.IsZero() {
		i.head, i.since = head, now
	} else if now.Sub(i.since) > idleAfter {
		return idleInterval
	}
	return watchInterval
}

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
		return nil, head, s.idle.interval(head), nil
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
