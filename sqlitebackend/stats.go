package sqlitebackend

import (
	"context"
	"time"

	"github.com/leasekit/leasekit/lease"
)

const countStats = `SELECT
	(SELECT count(*) FROM leases INDEXED BY leases_deadline WHERE namespace = ?1 AND ended_at = 0 AND deadline > ?2 AND status = 'active'),
	(SELECT count(*) FROM leases INDEXED BY leases_deadline WHERE namespace = ?1 AND ended_at = 0 AND deadline > ?2 AND status = 'pending'),
	(SELECT coalesce(min(created_at), 0) FROM leases INDEXED BY leases_deadline WHERE namespace = ?1 AND ended_at = 0 AND deadline > ?2 AND status = 'pending'),
	(SELECT coalesce(min(place) - ?3, 0) FROM lease_history WHERE place > ?3 AND place < ?4)`

// Stats implements [backend.Store].
func (s *Store) Stats(ctx context.Context) (lease.Stats, error) {
	var stats lease.Stats
	err := s.look(ctx, "stats", func(v *view) error {
		var active, pending int
		var oldestWaiter int64
		var oldest lease.Seq
		low, high := span(v.namespace)
		err := v.row([]any{&active, &pending, &oldestWaiter, &oldest}, countStats, v.namespace, v.now, low, high)
		stats = lease.Stats{
			Now: v.shown(time.UnixMilli(v.now).UTC()), Active: active, Pending: pending, Head: v.counters.Seq, Oldest: oldest,
			Token: v.counters.Token, Refused: v.counters.Refused + s.refused.Load(),
		}
		if oldestWaiter > 0 {
			stats.OldestWaiter = v.shown(time.UnixMilli(oldestWaiter).UTC())
		}
		return err
	})
	return stats, err
}
