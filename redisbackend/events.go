package redisbackend

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/leasekit/leasekit/backend"
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
func (s *Store) Events(ctx context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	q, after := a.Query, ""
	if q.After != lease.Now {
		after = strconv.FormatUint(uint64(q.After), 10)
	}
	r, err := s.do(ctx, "events", after)
	if err != nil {
		return backend.EventsReply{}, err
	}
	head, oldest, texts := lease.Seq(r.uint(0)), lease.Seq(r.uint(1)), r.texts(2)
	if r.err() != nil {
		return backend.EventsReply{}, r.err()
	}
	if q.After >= head {
		return backend.EventsReply{Next: head, Wait: s.idle.interval(head)}, nil
	}
	if q.After != 0 && q.After+1 < oldest {
		return backend.EventsReply{}, &lease.TrimmedError{After: q.After, Oldest: oldest}
	}
	reply := backend.EventsReply{Next: max(q.After, oldest-1), Wait: watchInterval}
	for i := 0; i+2 < len(texts) && len(reply.Events) < a.Limit; i += 3 {
		e, err := decodeEvent(texts[i], texts[i+1], texts[i+2])
		if err != nil {
			return backend.EventsReply{}, err
		}
		reply.Next = e.Seq
		if backend.MatchesEvent(q, e) {
			reply.Events = append(reply.Events, e)
		}
	}
	return reply, nil
}
