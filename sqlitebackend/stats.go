package sqlitebackend

import (
	"context"
	"time"

	"github.com/leasekit/leasekit/backend/step"
	"github.com/leasekit/leasekit/lease"
)

// Stats implements [backend.Store].
func (s *Store) Stats(ctx context.Context) (lease.Stats, error) {
	var k step.Counters
	db := s.db.reader.DB
	err := db.QueryRowContext(ctx, `SELECT seq, token, refused, now, "offset" FROM lease_counters WHERE namespace = ?`, s.namespace).
		Scan(&k.Seq, &k.Token, &k.Refused, &k.Now, &k.Offset)
	if err != nil {
		return lease.Stats{}, readFailed(ctx, "stats", err)
	}
	now, _ := k.Clock(time.Now())
	var active, pending int
	var oldestWaiter int64
	var oldest lease.Seq
	err = db.QueryRowContext(ctx, `SELECT
			(SELECT count(*) FROM leases WHERE namespace = ?1 AND status IN ('pending', 'active') AND deadline > ?2 AND status = 'active'),
			(SELECT count(*) FROM leases WHERE namespace = ?1 AND status IN ('pending', 'active') AND deadline > ?2 AND status = 'pending'),
			(SELECT coalesce(min(created_at), 0) FROM leases
				WHERE namespace = ?1 AND status IN ('pending', 'active') AND deadline > ?2 AND status = 'pending'),
			(SELECT coalesce(min(seq), 0) FROM lease_history WHERE namespace = ?1)`, s.namespace, now).
		Scan(&active, &pending, &oldestWaiter, &oldest)
	if err != nil {
		return lease.Stats{}, readFailed(ctx, "stats", err)
	}
	stats := lease.Stats{
		Now: time.UnixMilli(now).UTC(), Active: active, Pending: pending, Head: k.Seq, Oldest: oldest,
		Token: k.Token, Refused: k.Refused + s.refused.Load(),
	}
	if oldestWaiter > 0 {
		stats.OldestWaiter = time.UnixMilli(oldestWaiter).UTC()
	}
	return stats, nil
}
