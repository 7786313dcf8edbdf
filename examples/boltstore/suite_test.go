package boltstore_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/examples/boltstore"
)

// fixture is a file of its own for each case. The file is opened by the first
// handle: in the case's bubble, where its clock is.
func fixture(t testing.TB) conformance.Fixture {
	path := filepath.Join(t.TempDir(), "leases.db")
	var file *boltstore.File
	open := func(t testing.TB) *boltstore.Store {
		if file == nil {
			opened, err := boltstore.Open(path, &bolt.Options{NoSync: true})
			require.NoError(t, err)
			t.Cleanup(func() {
				if file == opened { // it was not reopened since
					require.NoError(t, opened.Close())
				}
			})
			file = opened
		}
		return file.Store()
	}
	return conformance.Fixture{
		Open:       func(t testing.TB) backend.Store { return open(t) },
		OpenFaulty: func(t testing.TB, f *conformance.TxFaults) backend.Store { return open(t).Inject(f) },
		Reopen: func(t testing.TB) {
			require.NoError(t, file.Close())
			file = nil
		},
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, fixture) }

func TestHelpers(t *testing.T) { conformance.RunHelpers(t, fixture) }

func TestParity(t *testing.T) { conformance.Parity(t, fixture) }
