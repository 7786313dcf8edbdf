package boltstore

import (
	"context"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/conformance"
)

// Inject has the handle's transactions go wrong.
func (s *Store) Inject(faults *conformance.TxFaults) *Store {
	change := func(ctx context.Context, f func(rules.Tx) error) error {
		return s.change(ctx, func(tx rules.Tx) error {
			if err := f(faults.Tx(tx)); err != nil {
				return err
			}
			return faults.Commit()
		})
	}
	s.Operations = rules.NewOperations(change, s.read)
	return s
}
