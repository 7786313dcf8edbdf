package redisbackend

import (
	"cmp"
	"context"
	"slices"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// List implements [backend.Store].
func (s *Store) List(ctx context.Context, q lease.Query, cursor string) (backend.ListReply, error) {
	args := []any{cursor, bit(!slices.ContainsFunc(q.Status, lease.Status.Ended))}
	r, err := s.do(ctx, "list", append(args, queryArgs(q)...)...)
	if err != nil {
		return backend.ListReply{}, err
	}
	now, retention, next, texts := r.now, r.number(0), r.text(1), r.texts(2)
	var contention lease.Contention
	if q.ID != "" && len(texts) > 0 {
		contention = r.contention(3)
	}
	if r.err() != nil {
		return backend.ListReply{}, r.err()
	}
	var records []*rules.Record
	for i := 0; i+1 < len(texts); i += 2 {
		record, err := decodeRecord(texts[i], texts[i+1])
		if err != nil {
			return backend.ListReply{}, err
		}
		records = append(records, record)
	}
	slices.SortFunc(records, func(a, b *rules.Record) int { return cmp.Compare(a.Arrival, b.Arrival) })
	page := backend.ListReply{Now: moment(now), Next: next}
	for _, record := range records {
		if record.Status.Ended() && record.Ended+retention <= now {
			continue // no longer remembered, only not swept away yet
		}
		l := record.LeaseAt(now)
		if !backend.Matches(q, l) || !backend.MatchesStatus(q, l.Status) {
			continue
		}
		l.Contention = contention
		page.Leases = append(page.Leases, l)
	}
	return page, nil
}
