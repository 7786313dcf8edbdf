package metrics

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// holds are the leases that this process was granted, or renewed, and that have
// not ended as far as it knows. An entry whose lease is over by time goes when
// Prometheus asks, and when its shard has grown to twice of what it was after
// the last clearing: so there are never many more of them than of leases.
type holds struct {
	start  time.Time // what moments are counted from
	seed   maphash.Seed
	shards [64]holdShard
}

type holdShard struct {
	mu      sync.Mutex
	held    map[lease.ID]hold
	clearAt int // how many entries before those that are over are looked for
	_       [40]byte
}

// hold is one lease. The moments are counted from holds.start.
type hold struct {
	group    *group
	since    time.Duration // when it was granted
	deadline time.Duration // when it is over unless renewed
	ttl      time.Duration
}

const leastClear = 64

func newHolds() *holds {
	h := &holds{start: time.Now(), seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].held, h.shards[i].clearAt = make(map[lease.ID]hold), leastClear
	}
	return h
}

func (h *holds) shard(id lease.ID) *holdShard {
	return &h.shards[maphash.String(h.seed, string(id))%uint64(len(h.shards))]
}

// begin notes a grant. The same request may be granted twice: asked again, it
// returns its lease.
func (h *holds) begin(l lease.Lease, g *group) {
	now := time.Since(h.start)
	s := h.shard(l.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	since := now
	if known, ok := s.held[l.ID]; ok {
		since = known.since
	}
	s.held[l.ID] = hold{group: g, since: since, deadline: l.Deadline().Sub(h.start), ttl: l.TTL}
	if len(s.held) >= s.clearAt {
		s.clear(now)
		s.clearAt = max(leastClear, 2*len(s.held))
	}
}

// renewed notes a renewal, and reports whether it was late: less than a third
// of the TTL was left. A lease that another process was granted is held here
// from now on, since it was granted.
func (h *holds) renewed(l lease.Lease, groupOf func([]lease.Claim) *group) (late bool) {
	now := time.Since(h.start)
	s := h.shard(l.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.held[l.ID]
	if !ok {
		known = hold{group: groupOf(l.Claims), since: now - l.UpdatedAt.Sub(l.GrantedAt)}
	}
	late = ok && known.deadline-now < known.ttl/3
	known.deadline, known.ttl = l.Deadline().Sub(h.start), l.TTL
	s.held[l.ID] = known
	return late
}

// end notes that the lease ended, if this process held it.
func (h *holds) end(id lease.ID, why string) {
	s := h.shard(id)
	s.mu.Lock()
	known, ok := s.held[id]
	delete(s.held, id)
	s.mu.Unlock()
	if ok {
		known.group.hold.of(why).Observe((time.Since(h.start) - known.since).Seconds())
	}
}

// count returns how many leases are held.
func (h *holds) count() int {
	n := 0
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		s.clear(time.Since(h.start))
		n += len(s.held)
		s.mu.Unlock()
	}
	return n
}

// clear takes out what is over by time. The caller has locked the shard.
func (s *holdShard) clear(now time.Duration) {
	for id, known := range s.held {
		if known.deadline <= now {
			known.group.hold.of("expired").Observe((known.deadline - known.since).Seconds())
			delete(s.held, id)
		}
	}
}
