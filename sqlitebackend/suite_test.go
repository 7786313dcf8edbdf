package sqlitebackend

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
)

// fixture opens handles on one file, as several processes would.
func fixture(t testing.TB) conformance.Fixture {
	path := filepath.Join(t.TempDir(), "leases.db")
	open := func(t testing.TB) *Store {
		s, err := OpenStore(t.Context(), path, &Options{Synchronous: Normal})
		require.NoError(t, err)
		return s
	}
	return conformance.Fixture{
		Open: func(t testing.TB) backend.Store { return open(t) },
		OpenFaulty: func(t testing.TB, f *conformance.TxFaults) backend.Store {
			s := open(t)
			s.faults = f
			return s
		},
		Reopen: func(testing.TB) {}, // the last handle has closed the file
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, fixture) }

func TestParity(t *testing.T) { conformance.Parity(t, fixture, conformance.Seeds(1, paritySeeds)...) }
