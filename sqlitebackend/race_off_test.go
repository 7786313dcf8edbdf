//go:build !race

package sqlitebackend

import (
	"testing"

	"github.com/leasekit/leasekit/conformance"
)

// underRace says that the race detector slows everything down.
const underRace = false

// A pool with a single connection is the hardest: the store must never need a
// second one while it has the first. Under the race detector random scripts have
// to do (TestParityOnPools): the goroutines are those of TestConformance.
func TestConformanceOnOneConnection(t *testing.T) {
	conformance.Run(t, pooled(1))
}

// Under the race detector the group Transaction of TestConformance has to do.
func TestTransactions(t *testing.T) { conformance.RunTransactions(t, fixture) }
