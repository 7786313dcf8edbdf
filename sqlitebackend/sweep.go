package sqlitebackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Sweep implements [backend.Store].
func (s *Store) Sweep(ctx context.Context, limit int) (backend.SweepReply, error) {
	return run(ctx, s, sqlitedb.Call{Urgency: groupcommit.Asks}, func(st *rules.Step) (backend.SweepReply, error) { return st.Sweep(limit) })
}
