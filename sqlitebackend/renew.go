package sqlitebackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/step"
)

// Renew implements [backend.Store].
func (s *Store) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	return run(ctx, s, a.Ref.ID, func(st *step.Step) (backend.RenewReply, error) { return st.Renew(a) })
}
