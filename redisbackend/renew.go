package redisbackend

import (
	"context"
	"strconv"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Renew implements [backend.Store].
func (s *Store) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	if a.Reserve > 0 {
		return s.reserve(ctx, a)
	}
	var r reply
	var err error
	if a.Relabel {
		r, err = s.do(ctx, "relabel", string(a.Ref.ID), s.seen.life(a.ConfigVersion), a.Ref.Holder, formatToken(a.Ref.Token),
			encodeLabels(a.Labels), a.Op)
	} else {
		r, err = s.do(ctx, "renew", string(a.Ref.ID), s.seen.life(a.ConfigVersion), a.Ref.Holder, formatToken(a.Ref.Token), millis(a.TTL),
			millis(a.MaxTTL), a.Op)
	}
	if err != nil {
		return backend.RenewReply{}, err
	}
	reply := backend.RenewReply{Outcome: r.known(), Now: moment(r.now)}
	switch reply.Outcome {
	case backend.Done, backend.Overtaken:
		reply.Lease, reply.Remaining = r.lease(a.Ref.ID, 1)
		reply.Lease.Contention = r.contention(2)
		if reply.Outcome == backend.Overtaken {
			reply.Op = r.text(3)
		}
	case backend.Gone:
		reply.End = r.end()
	case backend.Stale:
		c := r.config()
		reply.Config = &c
	}
	return reply, r.err()
}

// reserve reserves tokens.
func (s *Store) reserve(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	r, err := s.doKnowing(ctx, "reserve", func() []any {
		return []any{string(a.Ref.ID), s.seen.encode(0), a.Ref.Holder, formatToken(a.Ref.Token), strconv.Itoa(a.Reserve)}
	})
	if err != nil {
		return backend.RenewReply{}, err
	}
	reply := backend.RenewReply{Outcome: r.known(), Now: moment(r.now)}
	switch reply.Outcome {
	case backend.Done:
		reply.Tokens.Last = lease.Token(r.uint(1))
		reply.Tokens.First = reply.Tokens.Last - lease.Token(a.Reserve) + 1
	case backend.Gone:
		reply.End = r.end()
	}
	return reply, r.err()
}

// contention reads who waits: how many, since when, and the highest priority.
func (r *reply) contention(i int) lease.Contention {
	var n [3]int64
	for j, e := range r.list(i) {
		var ok bool
		if n[min(j, len(n)-1)], ok = e.(int64); !ok {
			r.fail()
		}
	}
	return lease.Contention{Waiters: int(n[0]), Since: moment(n[1]), Priority: int(n[2])}
}

// formatToken returns a token as records have it, with all its digits; that for any is "0".
func formatToken(t lease.Token) string {
	if t == 0 {
		return "0"
	}
	return string(appendPadded(make([]byte, 0, 20), uint64(t), 16, '0'))
}
