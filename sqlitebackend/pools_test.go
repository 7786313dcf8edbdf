//go:build !race

package sqlitebackend

// The suite again, on the connection pools of applications. The driver is five
// times slower under the race detector, and what races there could be are the
// same as on a file of our own, so these run without it.

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
)

const fullSettings = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"

// openApplication opens a pool as an application would.
func openApplication(t testing.TB, dsn string, limit int) *bun.DB {
	t.Helper()
	pool, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	pool.SetMaxOpenConns(limit)
	return bun.NewDB(pool, sqlitedialect.New())
}

// paritySeeds is how many random scripts are compared with the model.
const paritySeeds = 40

// pooled opens handles on one file, each on an application's pool of so many
// connections, and with the default synchronous=FULL.
func pooled(limit int) func(testing.TB) conformance.Fixture {
	return func(t testing.TB) conformance.Fixture {
		path := filepath.Join(t.TempDir(), "application.db")
		return conformance.Fixture{Open: func(t testing.TB) backend.Store {
			pool := openApplication(t, "file:"+path+fullSettings, limit)
			s, err := NewStore(t.Context(), pool, nil)
			require.NoError(t, err)
			return poolStore{s, pool}
		}}
	}
}

// poolStore is a store that closes the application's pool as well.
type poolStore struct {
	*Store
	pool *bun.DB
}

func (s poolStore) Close() error { return errors.Join(s.Store.Close(), s.pool.Close()) }

// inMemory opens handles on one database in memory, through the one connection
// that has it.
func inMemory(testing.TB) conformance.Fixture {
	var pool *bun.DB
	return conformance.Fixture{Open: func(t testing.TB) backend.Store {
		if pool == nil { // here, so that it belongs to the case's bubble
			pool = openApplication(t, ":memory:", 1)
			t.Cleanup(func() { require.NoError(t, pool.Close()) })
		}
		s, err := NewStore(t.Context(), pool, nil)
		require.NoError(t, err)
		return s
	}}
}

func TestParityOnPools(t *testing.T) {
	for _, limit := range []int{1, 2, 10} {
		t.Run(fmt.Sprintf("connections=%d", limit), func(t *testing.T) {
			conformance.Parity(t, pooled(limit), conformance.Seeds(1000, 5)...)
		})
	}
	t.Run("memory", func(t *testing.T) { conformance.Parity(t, inMemory, conformance.Seeds(1000, 10)...) })
}
