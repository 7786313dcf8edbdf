package redisbackend

import (
	"context"
	"strconv"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Acquire implements [backend.Store].
func (s *Store) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	id := string(a.Request.ID)
	address := ""
	if s.waker.expects(id) {
		address = s.address
	}
	epoch, token := s.seen.get()
	seen, version := formatToken(token), strconv.FormatUint(a.ConfigVersion, 10)
	numbers := bit(a.Again) + " " + millis(a.PlaceTTL) + " " + millis(a.HeadStart) + " " + bit(a.Deadlock) + " " +
		strconv.Itoa(a.Quota) + " " + version + " " + seen
	name, args := "acquire", []any{id, a.Attempt, address, numbers, epoch, encodeRequest(a.Request)}
	if simple(a) {
		q := a.Request
		name = "take"
		args = append([]any{version, seen, encodePath(q.Claims[0].Path), q.Holder, millis(q.TTL)}, args...)
	}
	r, err := s.do(ctx, name, args...)
	if err != nil {
		return backend.AcquireReply{}, err
	}
	reply := backend.AcquireReply{Outcome: r.known()}
	switch reply.Outcome {
	case backend.Done:
		reply.Lease, reply.Remaining = r.lease(a.Request.ID, 2, r.number(1))
		s.seen.learn(reply.Lease.Token)
	case backend.Queued, backend.Refused, backend.Deadlocked:
		now := r.number(1)
		reply.Count = int(r.number(2))
		reply.RetryAfter = span(r.number(4) - now)
		reply.Blockers = r.blockers(5, a.Request.Claims)
		if reply.Outcome == backend.Queued {
			reply.Position = int(r.number(3)) + 1
			reply.Lease, _ = r.lease(a.Request.ID, 6, now)
		}
		if reply.Outcome == backend.Deadlocked {
			reply.Cycle = r.texts(7)
		}
		if reply.Outcome == backend.Refused {
			s.refused.Add(1)
		}
	case backend.Gone:
		reply.End = r.end()
	case backend.Stale:
		c := r.config()
		reply.Config = &c
	}
	return reply, r.err()
}

// simple says whether lua/fast.lua may be able to grant the request.
func simple(a backend.AcquireArgs) bool {
	q := a.Request
	return len(q.Claims) == 1 && q.Claims[0].Mode == lease.Exclusive && q.Claims[0].Scope == lease.Exact &&
		q.Replace.ID == "" && a.HeadStart == 0 && a.Quota == 0
}

// blockers reads a table of ids and records: what clashes with these claims.
func (r *reply) blockers(i int, asked []lease.Claim) []lease.Blocker {
	texts := r.texts(i)
	var blockers []lease.Blocker
	for j := 0; j+1 < len(texts); j += 2 {
		b, err := decodeRecord(texts[j], texts[j+1])
		if err != nil {
			r.bad = err
			return nil
		}
		mine, theirs := clash(asked, b.Claims)
		blockers = append(blockers, lease.Blocker{
			ID: b.ID, Holder: b.Holder, Asked: mine, Held: theirs, Claims: b.Claims,
			Waiting: b.Status == lease.Pending, ExpiresAt: moment(b.Deadline),
		})
	}
	return blockers
}

// clash returns the first claims that exclude each other.
func clash(asked, held []lease.Claim) (mine, theirs lease.Claim) {
	for _, a := range asked {
		for _, b := range held {
			if lease.Conflict(a, b) {
				return a, b
			}
		}
	}
	return mine, theirs
}
