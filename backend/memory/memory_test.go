package memory_test

import (
	"testing"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/conformance"
)

// fixture is a namespace in memory; its handles share it.
func fixture(testing.TB) conformance.Fixture {
	s := memory.NewStore()
	return conformance.Fixture{
		Open:     func(testing.TB) backend.Store { return s.Another() },
		Volatile: "a store in memory ends with its process",
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, fixture) }

func TestParity(t *testing.T) { conformance.Parity(t, fixture, conformance.Seeds(1, 100)...) }

func BenchmarkStore(b *testing.B) { conformance.Bench(b, fixture) }
