package redisbackend

import (
	"context"
	"strconv"

	"github.com/leasekit/leasekit/lease"
)

// Stats implements [backend.Store].
func (s *Store) Stats(ctx context.Context) (lease.Stats, error) {
	r, err := s.do(ctx, "stats")
	if err != nil {
		return lease.Stats{}, err
	}
	stats := lease.Stats{
		Now: moment(r.now), Head: lease.Seq(r.uint(0)), Oldest: lease.Seq(r.uint(1)), Token: lease.Token(r.uint(2)),
		Active: int(r.number(3)), Pending: int(r.number(4)), OldestWaiter: moment(r.number(5)),
		Refused: r.uint(6) + uint64(s.refused.Load()),
	}
	return stats, r.err()
}

// uint reads an element that is a number in text.
func (r *reply) uint(i int) uint64 {
	n, err := strconv.ParseUint(r.text(i), 10, 64)
	if err != nil {
		r.fail()
	}
	return n
}
