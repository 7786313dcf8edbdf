package sqlitebackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Acquire implements [backend.Store]. What it reads is in claims.go, what it
// writes in record.go.
func (s *Store) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	return run(ctx, s, sqlitedb.Call{Subject: a.Request.ID}, func(st *rules.Step) (backend.AcquireReply, error) { return st.Acquire(a) })
}
