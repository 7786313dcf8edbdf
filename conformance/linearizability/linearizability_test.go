package linearizability_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/conformance/linearizability"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/redisbackend"
	"github.com/leasekit/leasekit/sqlitebackend"
)

func TestMemory(t *testing.T) {
	linearizability.Run(t, func(testing.TB) conformance.Fixture {
		store := memory.NewStore()
		return conformance.Fixture{Open: func(testing.TB) backend.Store { return shared{store} }}
	})
}

// shared is a handle on a store of which there is one.
type shared struct{ backend.Store }

func (shared) Close() error { return nil }

func TestSQLite(t *testing.T) {
	linearizability.Run(t, func(t testing.TB) conformance.Fixture {
		path := filepath.Join(t.TempDir(), "leases.db")
		return conformance.Fixture{Open: func(t testing.TB) backend.Store {
			s, err := sqlitebackend.OpenStore(t.Context(), path, &sqlitebackend.Options{Synchronous: sqlitebackend.Normal})
			require.NoError(t, err)
			return s
		}}
	})
}

func TestMiniredis(t *testing.T) {
	linearizability.Run(t, func(t testing.TB) conformance.Fixture {
		server := redistest.Mini(t)
		return conformance.Fixture{Open: func(t testing.TB) backend.Store {
			s, err := redisbackend.NewStore(t.Context(), server.Client(), nil)
			require.NoError(t, err)
			return s
		}}
	})
}

func TestRedis(t *testing.T) {
	linearizability.Run(t, func(t testing.TB) conformance.Fixture {
		server := redistest.Single(t)
		return conformance.Fixture{Open: func(t testing.TB) backend.Store {
			s, err := redisbackend.NewStore(t.Context(), server.Client(), nil)
			require.NoError(t, err)
			return s
		}}
	})
}
