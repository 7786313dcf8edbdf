package sqlitebackend

import (
	"context"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

const countTotals = `SELECT
	(SELECT count(*) FROM leases INDEXED BY leases_deadline WHERE namespace = ?1 AND ended_at = 0 AND deadline > ?2 AND status = 'active'),
	(SELECT count(*) FROM leases INDEXED BY leases_deadline WHERE namespace = ?1 AND ended_at = 0 AND deadline > ?2 AND status = 'pending'),
	(SELECT coalesce(min(created_at), 0) FROM leases INDEXED BY leases_deadline WHERE namespace = ?1 AND ended_at = 0 AND deadline > ?2 AND status = 'pending')`

// Stats implements [backend.Store].
func (s *Store) Stats(ctx context.Context) (stats lease.Stats, err error) {
	err = s.look(ctx, "stats", func(v *view) error {
		stats, err = rules.Stats(v)
		return err
	})
	return stats, err
}

// Totals implements [rules.View].
func (v *view) Totals(now int64) (t rules.Totals, err error) {
	err = v.row([]any{&t.Active, &t.Pending, &t.OldestWaiter}, countTotals, v.namespace, now)
	return t, err
}
