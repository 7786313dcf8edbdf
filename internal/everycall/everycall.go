// Package everycall is the one list of all calls of a lease.Manager, for tests
// that say something of each.
package everycall

import (
	"context"
	"iter"

	"github.com/leasekit/leasekit/lease"
)

// Of returns a call of each method of the Manager but Close, by name. Each asks
// for the request, or names the Ref. Of an iterator the error is the last.
func Of(m lease.Manager, r lease.Request, ref lease.Ref) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"TryAcquire": func(ctx context.Context) error { _, err := m.TryAcquire(ctx, r); return err },
		"Acquire":    func(ctx context.Context) error { _, err := m.Acquire(ctx, r); return err },
		"Renew":      func(ctx context.Context) error { _, err := m.Renew(ctx, ref, 0); return err },
		"SetLabels":  func(ctx context.Context) error { _, err := m.SetLabels(ctx, ref, nil); return err },
		"Release":    func(ctx context.Context) error { return m.Release(ctx, ref) },
		"Get":        func(ctx context.Context) error { _, err := m.Get(ctx, ref.ID); return err },
		"List":       func(ctx context.Context) error { return last(m.List(ctx, lease.Query{})) },
		"History":    func(ctx context.Context) error { return last(m.History(ctx, lease.Query{})) },
		"Watch":      func(ctx context.Context) error { return last(m.Watch(ctx, lease.Query{})) },
		"Stats":      func(ctx context.Context) error { _, err := m.Stats(ctx); return err },
		"ReserveTokens": func(ctx context.Context) error {
			_, err := lease.ReserveTokens(ctx, m, ref, 1)
			return err
		},
		"Sweep":     func(ctx context.Context) error { _, err := m.Sweep(ctx); return err },
		"Config":    func(ctx context.Context) error { _, err := m.Config(ctx); return err },
		"SetConfig": func(ctx context.Context) error { _, err := m.SetConfig(ctx, lease.DefaultConfig()); return err },
		"ForceRelease": func(ctx context.Context) error {
			_, err := m.ForceRelease(ctx, lease.Query{All: true}, lease.Revocation{Actor: "root"})
			return err
		},
	}
}

func last[T any](all iter.Seq2[T, error]) (err error) {
	for _, e := range all {
		err = e
	}
	return err
}
