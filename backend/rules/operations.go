package rules

import (
	"context"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Operations are the operations of [backend.Store], for a store to embed: those
// that change something as one step each, the others as one look. The store has
// Subscribe and Close besides.
type Operations struct {
	change func(ctx context.Context, f func(Tx) error) error
	read   func(ctx context.Context, f func(View) error) error
}

// NewOperations returns the operations over two functions of a store. change
// begins a transaction, runs f on it, commits, and sends the hints; an error, of f
// too, means that nothing has changed. It may run f again on a fresh transaction.
// read runs f on a view.
func NewOperations(
	change func(ctx context.Context, f func(Tx) error) error,
	read func(ctx context.Context, f func(View) error) error,
) Operations {
	return Operations{change: change, read: read}
}

// changed runs f as one step, and returns what it replied if that was committed.
func changed[T any](ctx context.Context, o Operations, f func(*Step) (T, error)) (T, error) {
	var reply, none T
	err := o.change(ctx, func(tx Tx) error {
		s, err := Begin(tx)
		if err == nil {
			reply, err = f(s)
		}
		return err
	})
	if err != nil {
		return none, err
	}
	return reply, nil
}

// looked runs f on a view.
func looked[T any](ctx context.Context, o Operations, f func(View) (T, error)) (reply T, err error) {
	err = o.read(ctx, func(v View) (err error) {
		reply, err = f(v)
		return err
	})
	return reply, err
}

// Acquire is that of [backend.Store].
func (o Operations) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	return changed(ctx, o, func(s *Step) (backend.AcquireReply, error) { return s.Acquire(a) })
}

// Renew is that of [backend.Store].
func (o Operations) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	return changed(ctx, o, func(s *Step) (backend.RenewReply, error) { return s.Renew(a) })
}

// Release is that of [backend.Store].
func (o Operations) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return changed(ctx, o, func(s *Step) (backend.ReleaseReply, error) { return s.Release(a) })
}

// Withdraw is that of [backend.Store].
func (o Operations) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	return changed(ctx, o, func(s *Step) (backend.WithdrawReply, error) { return s.Withdraw(a) })
}

// Force is that of [backend.Store].
func (o Operations) Force(ctx context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return changed(ctx, o, func(s *Step) (backend.ForceReply, error) { return s.Force(a) })
}

// Sweep is that of [backend.Store].
func (o Operations) Sweep(ctx context.Context, limit int) (backend.SweepReply, error) {
	return changed(ctx, o, func(s *Step) (backend.SweepReply, error) { return s.Sweep(limit) })
}

// SetConfig is that of [backend.Store].
func (o Operations) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	return changed(ctx, o, func(s *Step) (lease.Config, error) { return s.SetConfig(c) })
}

// List is that of [backend.Store].
func (o Operations) List(ctx context.Context, q lease.Query, cursor string) (backend.ListReply, error) {
	return looked(ctx, o, func(v View) (backend.ListReply, error) { return List(v, q, cursor) })
}

// eventWait is EventsReply.Wait: how long a watcher that found nothing waits.
const eventWait = 25 * time.Millisecond

// Events is that of [backend.Store].
func (o Operations) Events(ctx context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	reply, err := looked(ctx, o, func(v View) (backend.EventsReply, error) { return Events(v, a) })
	reply.Wait = eventWait
	return reply, err
}

// Stats is that of [backend.Store].
func (o Operations) Stats(ctx context.Context) (lease.Stats, error) { return looked(ctx, o, Stats) }

// Config is that of [backend.Store]. A store that answers [Tx.Gone] has its own,
// with ConfigReply.NoticesGone.
func (o Operations) Config(ctx context.Context) (backend.ConfigReply, error) {
	return looked(ctx, o, Config)
}
