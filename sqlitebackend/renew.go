package sqlitebackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Renew implements [backend.Store].
func (s *Store) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	return run(ctx, s, sqlitedb.Call{Subject: a.Ref.ID}, func(st *rules.Step) (backend.RenewReply, error) { return st.Renew(a) })
}
