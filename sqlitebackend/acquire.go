package sqlitebackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Acquire implements [backend.Store]. What it reads is in claims.go, what it
// writes in record.go.
func (s *Store) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	call := sqlitedb.Call{Subject: a.Request.ID, Urgency: groupcommit.Asks}
	if a.Again {
		call.Urgency = groupcommit.Waits
	}
	return run(ctx, s, call, func(st *rules.Step) (backend.AcquireReply, error) { return st.Acquire(a) })
}
