package sqlitebackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
)

// Renew implements [backend.Store].
func (s *Store) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	return run(ctx, s, a.Ref.ID, func(st *rules.Step) (backend.RenewReply, error) { return st.Renew(a) })
}
