package redisbackend

import (
	"context"
	"strconv"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// Acquire implements [backend.Store].
func (s *Store) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	id := string(a.Request.ID)
	address := ""
	if s.waker.expects(id) {
		address = s.address
	}
	seen := s.seen.encode(a.ConfigVersion)
	asking := bit(a.Again) + " " + millis(a.PlaceTTL) + " " + millis(a.HeadStart) + " " + bit(a.Deadlock) + " " +
		strconv.Itoa(a.Quota)
	var r reply
	var err error
	if q := a.Request; simple(a) {
		r, err = s.do(ctx, "take", id, seen, asking, encodeNew(a, address), q.Holder, encodePath(q.Claims[0].Path))
	} else {
		r, err = s.do(ctx, "acquire", seen, asking, id, a.Attempt, address, encodeRequest(q))
	}
	if err != nil {
		return backend.AcquireReply{}, err
	}
	if r.outcome == "took" {
		return s.took(a.Request, r.rest)
	}
	reply := backend.AcquireReply{Outcome: r.known()}
	switch reply.Outcome {
	case backend.Done:
		reply.Lease, reply.Remaining = r.lease(a.Request.ID, 2, r.number(1))
		s.seen.learn(reply.Lease.Token, r.arrival(2))
	case backend.Queued, backend.Refused, backend.Deadlocked:
		now := r.number(1)
		reply.Count = int(r.number(2))
		reply.RetryAfter = span(r.number(4) - now)
		reply.Blockers = r.blockers(5, a.Request.Claims)
		if reply.Outcome == backend.Queued {
			reply.Position = int(r.number(3)) + 1
			reply.Lease, _ = r.lease(a.Request.ID, 6, now)
			s.seen.learn(0, r.arrival(6))
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

// took reads the reply of lua/fast.lua when it has granted a request: the deadline, the token, the arrival, and now.
func (s *Store) took(q lease.Request, terms string) (backend.AcquireReply, error) {
	d := decoder{rest: terms + " "}
	deadline, token, arrival, now := d.number(' '), lease.Token(d.number(' ')), d.number(' '), d.number(' ')
	if d.bad {
		return backend.AcquireReply{}, malformed("reply", terms)
	}
	granted := rules.Record{
		ID: q.ID, Holder: q.Holder, Claims: q.Claims, Labels: q.Labels, TTL: q.TTL.Milliseconds(),
		MaxRenewals: q.MaxRenewals, Priority: q.Priority, Distinct: q.Distinct,
		Status: lease.Active, Token: token,
		Created: now, Granted: now, Updated: now, Deadline: deadline,
	}
	s.seen.learn(token, arrival)
	return backend.AcquireReply{Outcome: backend.Done, Lease: granted.Lease(), Remaining: span(deadline - now)}, nil
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
