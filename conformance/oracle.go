package conformance

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance/internal/model"
	"github.com/leasekit/leasekit/lease"
)

// literal is the model as a store, so that a script can be run on it. It gives no
// hints: who has reason to ask is what [model.Model.MustAsk] says.
type literal struct{ *model.Model }

var _ backend.Store = literal{}

func (l literal) Acquire(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	return l.Model.Acquire(a), nil
}

func (l literal) Renew(_ context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	return l.Model.Renew(a), nil
}

func (l literal) Release(_ context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return l.Model.Release(a), nil
}

func (l literal) Withdraw(_ context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	return l.Model.Withdraw(a), nil
}

func (l literal) Force(_ context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return l.Model.Force(a), nil
}

func (l literal) Sweep(context.Context, int) (backend.SweepReply, error) {
	l.Model.Sweep()
	return backend.SweepReply{}, nil
}

func (l literal) List(_ context.Context, q lease.Query, _ string) (backend.ListReply, error) {
	return backend.ListReply{Leases: l.Model.List(q)}, nil
}

func (l literal) Events(_ context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	all := l.History()
	head := lease.Seq(len(all))
	return backend.EventsReply{Events: all[min(a.Query.After, head):], Next: head}, nil
}

func (l literal) Subscribe(lease.ID) (hint <-chan struct{}, stop func()) { return nil, func() {} }

func (l literal) Stats(context.Context) (lease.Stats, error) { return l.Model.Stats(), nil }

func (l literal) Config(context.Context) (backend.ConfigReply, error) {
	return backend.ConfigReply{Config: l.Model.Config()}, nil
}

func (l literal) SetConfig(_ context.Context, c lease.Config) (lease.Config, error) {
	return l.Model.SetConfig(c)
}

func (l literal) Close() error { return nil }
