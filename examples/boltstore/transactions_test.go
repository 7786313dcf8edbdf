//go:build !race

package boltstore_test

import (
	"testing"

	"github.com/leasekit/leasekit/conformance"
)

// Under the race detector, which makes it take minutes, the group Transaction of
// TestConformance has to do.
func TestTransactions(t *testing.T) { conformance.RunTransactions(t, fixture) }
