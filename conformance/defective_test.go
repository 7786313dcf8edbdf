package conformance

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// defective is a store in memory with one rule broken: a hook that is set takes
// the place of the operation, and may call the sound one.
type defective struct {
	*memory.Store
	hooks
}

type hooks struct {
	acquire   func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply
	renew     func(s *memory.Store, a backend.RenewArgs) backend.RenewReply
	release   func(s *memory.Store, a backend.ReleaseArgs) backend.ReleaseReply
	withdraw  func(s *memory.Store, a backend.WithdrawArgs) backend.WithdrawReply
	force     func(s *memory.Store, a backend.ForceArgs) backend.ForceReply
	sweep     func(s *memory.Store, limit int) backend.SweepReply
	list      func(s *memory.Store, q lease.Query, cursor string) backend.ListReply
	events    func(s *memory.Store, a backend.EventsArgs) (backend.EventsReply, error)
	wake      func(s *memory.Store, id lease.ID) (<-chan struct{}, func())
	stats     func(s *memory.Store) lease.Stats
	setConfig func(s *memory.Store, c lease.Config) (lease.Config, error)
}

func (d defective) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	if d.acquire != nil {
		return d.acquire(d.Store, a), nil
	}
	return d.Store.Acquire(ctx, a)
}

func (d defective) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	if d.renew != nil {
		return d.renew(d.Store, a), nil
	}
	return d.Store.Renew(ctx, a)
}

func (d defective) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	if d.release != nil {
		return d.release(d.Store, a), nil
	}
	return d.Store.Release(ctx, a)
}

func (d defective) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	if d.withdraw != nil {
		return d.withdraw(d.Store, a), nil
	}
	return d.Store.Withdraw(ctx, a)
}

func (d defective) Force(ctx context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	if d.force != nil {
		return d.force(d.Store, a), nil
	}
	return d.Store.Force(ctx, a)
}

func (d defective) Sweep(ctx context.Context, limit int) (backend.SweepReply, error) {
	if d.sweep != nil {
		return d.sweep(d.Store, limit), nil
	}
	return d.Store.Sweep(ctx, limit)
}

func (d defective) List(ctx context.Context, q lease.Query, cursor string) (backend.ListReply, error) {
	if d.list != nil {
		return d.list(d.Store, q, cursor), nil
	}
	return d.Store.List(ctx, q, cursor)
}

func (d defective) Events(ctx context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	if d.events != nil {
		return d.events(d.Store, a)
	}
	return d.Store.Events(ctx, a)
}

func (d defective) Subscribe(id lease.ID) (<-chan struct{}, func()) {
	if d.wake != nil {
		return d.wake(d.Store, id)
	}
	return d.Store.Subscribe(id)
}

func (d defective) Stats(ctx context.Context) (lease.Stats, error) {
	if d.stats != nil {
		return d.stats(d.Store), nil
	}
	return d.Store.Stats(ctx)
}

func (d defective) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	if d.setConfig != nil {
		return d.setConfig(d.Store, c)
	}
	return d.Store.SetConfig(ctx, c)
}

// must returns what the store in memory, which cannot fail, returned.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// all returns the leases that a query lists.
func all(s *memory.Store, q lease.Query) []lease.Lease {
	var leases []lease.Lease
	for cursor := ""; ; {
		page := must(s.List(context.Background(), q, cursor))
		if leases = append(leases, page.Leases...); page.Next == "" {
			return leases
		}
		cursor = page.Next
	}
}

// known returns what the store knows of a request, the zero lease if nothing.
func known(s *memory.Store, id lease.ID) lease.Lease {
	for _, l := range all(s, lease.Query{ID: id}) {
		return l
	}
	return lease.Lease{}
}

// refusal is an answer that a sound store would not have given.
func refusal(by lease.Lease, a backend.AcquireArgs) backend.AcquireReply {
	return backend.AcquireReply{
		Outcome: backend.Refused, Count: 1,
		Blockers: []lease.Blocker{{ID: by.ID, Holder: by.Holder, Claims: by.Claims, Asked: a.Request.Claims[0], Held: by.Claims[0]}},
	}
}
