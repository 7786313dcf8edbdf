package boltstore

import "github.com/leasekit/leasekit/conformance"

// Inject has the handle's transactions go wrong.
func (s *Store) Inject(f *conformance.TxFaults) *Store {
	s.faults = f
	return s
}
