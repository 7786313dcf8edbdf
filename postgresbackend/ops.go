package postgresbackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/lease"
)

// Acquire implements [backend.Store].
func (s *Store) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	o := groupcommit.Options{
		Subject: a.Request.ID, Attempt: a.Attempt, Holder: a.Request.Holder, Claims: a.Request.Claims, Urgency: groupcommit.Asks,
	}
	if a.Again {
		o.Urgency = groupcommit.Waits
	}
	return do(ctx, s, o, func(st *rules.Step) (backend.AcquireReply, error) { return st.Acquire(a) })
}

// Renew implements [backend.Store].
func (s *Store) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	return do(ctx, s, ending(a.Ref), func(st *rules.Step) (backend.RenewReply, error) { return st.Renew(a) })
}

// Release implements [backend.Store].
func (s *Store) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return do(ctx, s, ending(a.Ref), func(st *rules.Step) (backend.ReleaseReply, error) { return st.Release(a) })
}

// Withdraw implements [backend.Store].
func (s *Store) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	return do(ctx, s, ending(lease.Ref{ID: a.ID, Holder: a.Holder}), func(st *rules.Step) (backend.WithdrawReply, error) { return st.Withdraw(a) })
}

// Force implements [backend.Store].
func (s *Store) Force(ctx context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return do(ctx, s, groupcommit.Options{Urgency: groupcommit.Asks}, func(st *rules.Step) (backend.ForceReply, error) { return st.Force(a) })
}

// Sweep implements [backend.Store].
func (s *Store) Sweep(ctx context.Context, limit int) (backend.SweepReply, error) {
	return do(ctx, s, groupcommit.Options{Urgency: groupcommit.Asks}, func(st *rules.Step) (backend.SweepReply, error) { return st.Sweep(limit) })
}

// SetConfig implements [backend.Store].
func (s *Store) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	return do(ctx, s, groupcommit.Options{}, func(st *rules.Step) (lease.Config, error) { return st.SetConfig(c) })
}

// ending is what an operation on a lease or a waiter asks for.
func ending(ref lease.Ref) groupcommit.Options {
	return groupcommit.Options{Subject: ref.ID, Holder: ref.Holder}
}

// Config implements [backend.Store].
func (s *Store) Config(ctx context.Context) (backend.ConfigReply, error) {
	reply, err := read(ctx, s, "config", rules.Config)
	reply.NoticesGone = s.client != "" && s.session
	return reply, err
}

// List implements [backend.Store].
func (s *Store) List(ctx context.Context, q lease.Query, cursor string) (backend.ListReply, error) {
	return read(ctx, s, "list", func(v rules.View) (backend.ListReply, error) { return rules.List(v, q, cursor) })
}

// Events implements [backend.Store].
func (s *Store) Events(ctx context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	reply, err := read(ctx, s, "history", func(v rules.View) (backend.EventsReply, error) { return rules.Events(v, a) })
	if err == nil && len(reply.Events) < a.Limit {
		reply.Wait = eventWait
	}
	return reply, err
}

// Stats implements [backend.Store].
func (s *Store) Stats(ctx context.Context) (lease.Stats, error) {
	stats, err := read(ctx, s, "stats", rules.Stats)
	stats.Refused += s.refused.Load()
	return stats, err
}
