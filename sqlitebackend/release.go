package sqlitebackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Release implements [backend.Store].
func (s *Store) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return run(ctx, s, sqlitedb.Call{Subject: a.Ref.ID}, func(st *rules.Step) (backend.ReleaseReply, error) { return st.Release(a) })
}

// Withdraw implements [backend.Store].
func (s *Store) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	return run(ctx, s, sqlitedb.Call{Subject: a.ID}, func(st *rules.Step) (backend.WithdrawReply, error) { return st.Withdraw(a) })
}

// Force implements [backend.Store].
func (s *Store) Force(ctx context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return run(ctx, s, sqlitedb.Call{Urgency: groupcommit.Asks}, func(st *rules.Step) (backend.ForceReply, error) { return st.Force(a) })
}
