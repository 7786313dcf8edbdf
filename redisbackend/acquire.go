package redisbackend

import (
	"context"
	"fmt"
	"strconv"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// Acquire implements [backend.Store].
func (s *Store) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	q := a.Request
	client := ""
	if s.waker.expects(string(q.ID)) {
		client = s.address
	}
	claims := encodeClaims(q.Claims)
	r, err := s.doKnowing(ctx, "acquire", func() []any {
		return []any{
			string(q.ID), s.seen.encode(a.ConfigVersion), encodeAsking(a, claims), encodeNew(a, client), q.Holder, claims, a.Attempt,
		}
	})
	if err != nil {
		return backend.AcquireReply{}, err
	}
	if r.outcome == "took" {
		return took(q, r)
	}
	reply := backend.AcquireReply{Outcome: r.known(), Now: moment(r.now)}
	switch reply.Outcome {
	case backend.Done:
		reply.Lease, reply.Remaining = r.lease(q.ID, 1)
	case backend.Queued, backend.Refused, backend.Deadlocked:
		if a.Blockers {
			reply.Count = int(r.number(1))
			reply.Blockers = r.blockers(4, q.Claims)
		}
		reply.RetryAfter = span(int64(r.uint(3)) - r.now)
		if reply.Outcome == backend.Queued {
			reply.Position = int(r.number(2)) + 1
			reply.Lease, _ = r.lease(q.ID, 5)
		}
		if reply.Outcome == backend.Deadlocked {
			reply.Cycle = r.texts(6)
		}
		if reply.Outcome == backend.Refused {
			s.refused.Add(1)
		}
	case backend.Gone:
		reply.End = r.end()
	case backend.BadParent:
		reply.Problem = problem(r.text(1), r.text(2))
	case backend.Stale:
		c := r.config()
		reply.Config = &c
	}
	return reply, r.err()
}

// problem says what is wrong with a request's parent, as lua/parent.lua names it.
func problem(name, detail string) string {
	switch name {
	case "chain":
		return fmt.Sprintf("%q lies under %d leases, the most there may be", detail, lease.MaxChain)
	case "replace":
		return "the lease that is replaced is the parent, or the parent lies under it"
	}
	return fmt.Sprintf("%q is not within its claims", detail)
}

// encodeAsking returns how the request is asked for: see lua/acquire.lua.
func encodeAsking(a backend.AcquireArgs, claims string) string {
	notAfter := uint64(99999999999999)
	if !a.NotAfter.IsZero() {
		notAfter = uint64(max(0, a.NotAfter.UnixMilli()))
	}
	letter := byte('g')
	if uncontended(a, claims) {
		letter = 'u'
	}
	b := appendPadded(append(make([]byte, 0, 48), letter), notAfter, 14, '0')
	return string(b) + " " + bit(a.Again) + " " + millis(a.PlaceTTL) + " " + millis(a.HeadStart) + " " + bit(a.Deadlock) + " " +
		strconv.Itoa(a.Quota) + " " + bit(a.Blockers)
}

// took reads the reply of lua/uncontended.lua when it has granted a request: the deadline, the token, the arrival, and now.
func took(q lease.Request, r reply) (backend.AcquireReply, error) {
	d := decoder{rest: r.rest + " "}
	deadline, token := d.number(' '), lease.Token(d.number(' '))
	if d.bad {
		return backend.AcquireReply{}, malformed("reply", r.rest)
	}
	granted := rules.Record{
		ID: q.ID, Holder: q.Holder, Claims: q.Claims, Labels: q.Labels, TTL: q.TTL.Milliseconds(),
		MaxRenewals: q.MaxRenewals, Priority: q.Priority, Distinct: q.Distinct,
		Status: lease.Active, Token: token,
		Created: r.now, Granted: r.now, Updated: r.now, Deadline: deadline,
	}
	return backend.AcquireReply{
		Outcome: backend.Done, Now: moment(r.now), Lease: granted.Lease(), Remaining: span(deadline - r.now),
	}, nil
}

// uncontended says whether lua/uncontended.lua may be able to grant the request. It is for few and short claims: its
// events are written together.
func uncontended(a backend.AcquireArgs, claims string) bool {
	const most = 2 << 10
	q := a.Request
	return q.Replace.ID == "" && q.Parent.ID == "" && a.HeadStart == 0 && a.Quota == 0 && len(claims) <= most
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
