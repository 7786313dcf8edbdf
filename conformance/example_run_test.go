package conformance_test

import (
	"testing"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/conformance"
)

// A store's own test file hands a fixture to the suite: a new, empty store for
// each case, and handles on it, as several processes would have them.
func ExampleRun() {
	fixture := func(testing.TB) conformance.Fixture {
		store := memory.NewStore()
		return conformance.Fixture{
			Open: func(testing.TB) backend.Store { return store.Another() },
		}
	}
	// These are the functions of a test file.
	_ = func(t *testing.T) { // TestConformance
		conformance.Run(t, fixture)
	}
	_ = func(t *testing.T) { // TestHelpers
		conformance.RunHelpers(t, fixture)
	}
	_ = func(t *testing.T) { // TestParity
		conformance.Parity(t, fixture, conformance.Seeds(1, 100)...)
	}
	_ = func(b *testing.B) { // BenchmarkStore
		conformance.Bench(b, fixture)
	}
}
