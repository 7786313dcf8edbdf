package sqlitedb

import (
	"context"
	"database/sql"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
)

// application opens a pool as an application would. It is closed when the test
// ends.
func application(t testing.TB, dsn string, limit int) *bun.DB {
	t.Helper()
	db := openApplication(t, dsn, limit)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func openApplication(t testing.TB, dsn string, limit int) *bun.DB {
	t.Helper()
	pool, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	pool.SetMaxOpenConns(limit)
	return bun.NewDB(pool, sqlitedialect.New())
}

const (
	goodSettings = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	fullSettings = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
)

func TestAdoptRefusesUnsafeSettings(t *testing.T) {
	for _, c := range []struct {
		name, settings string
		limit          int
		options        Options
		contains       []string
	}{
		{"rollback journal", "?_pragma=busy_timeout(5000)", 0, Options{}, []string{`journal_mode is "delete"`}},
		{"no waiting", "?_pragma=journal_mode(WAL)", 0, Options{}, []string{"busy_timeout is 0"}},
		{"no syncing", "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1)&_pragma=synchronous(OFF)", 0, Options{}, []string{"synchronous is OFF"}},
		{"read-only connections", goodSettings + "&_query_only=1", 0, Options{}, []string{"query_only"}},
		{"one process only", goodSettings + "&_pragma=locking_mode(EXCLUSIVE)", 1, Options{Normal: true}, []string{"locking_mode"}},
		{"borrowed and less than asked for", goodSettings, 1, Options{}, []string{"synchronous is NORMAL", "allow 3 connections"}},
		{"everything at once", "?_pragma=synchronous(0)", 0, Options{}, []string{"journal_mode", "busy_timeout", "synchronous"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newPath(t)
			d, err := Adopt(t.Context(), application(t, "file:"+path+c.settings, c.limit), c.options)
			require.ErrorIs(t, err, ErrUnsafeSettings)
			require.Equal(t, path, d.Name())
			for _, text := range c.contains {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

func TestAdoptMemory(t *testing.T) {
	_, err := Adopt(t.Context(), application(t, MemoryPath, 0), Options{})
	require.ErrorIs(t, err, ErrUnsafeSettings)
	require.ErrorContains(t, err, "SetMaxOpenConns(1)")

	_, err = Adopt(t.Context(), application(t, "", 1), Options{})
	require.ErrorIs(t, err, ErrUnsafeSettings, "a temporary file")

	d, err := Adopt(t.Context(), application(t, MemoryPath, 1), Options{})
	require.NoError(t, err)
	require.True(t, d.borrow)
	require.Empty(t, d.file)
}

func TestAdoptNotADatabase(t *testing.T) {
	path := newPath(t)
	require.NoError(t, os.WriteFile(path, make([]byte, 4096), 0o600))
	_, err := Adopt(t.Context(), application(t, path, 0), Options{})
	require.ErrorIs(t, err, ErrNotDatabase)
	_, err = Adopt(t.Context(), nil, Options{})
	require.ErrorContains(t, err, "nil")
}

// A large pool gives the writer a connection of its own with its own settings,
// which the application never gets to see.
func TestAdoptDedicatedConnection(t *testing.T) {
	for _, limit := range []int{0, 3, 10} {
		path := newPath(t)
		pool := application(t, "file:"+path+goodSettings, limit)
		d, err := Adopt(t.Context(), pool, Options{})
		require.NoError(t, err)
		require.False(t, d.borrow)
		require.Equal(t, path, d.file)
		writer, err := d.takeWriter(t.Context())
		require.NoError(t, err)
		require.Equal(t, "2", pragma(t, writer, "synchronous"), "FULL although the application has NORMAL")
		d.giveBack(writer, false)
		release := takeAll(t, pool, 3)
		release(func(connection bun.Conn) {
			require.Equal(t, "1", pragma(t, connection, "synchronous"))
			require.Equal(t, "5000", pragma(t, connection, "busy_timeout"))
		})
		require.NoError(t, d.Close())
		require.NoError(t, pool.Ping(), "the pool stays the application's")
	}
}

// With a small pool the application and the writer take turns.
func TestAdoptBorrowsFromSmallPool(t *testing.T) {
	for _, limit := range []int{1, 2} {
		pool := application(t, "file:"+newPath(t)+fullSettings, limit)
		d, err := Adopt(t.Context(), pool, Options{})
		require.NoError(t, err)
		require.True(t, d.borrow)
		w := mustWriter(t, d, Hooks{})
		require.NoError(t, w.Do(t.Context(), Call{}, createCounters))
		require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))

		// The application has all connections of its pool: none was kept.
		release := takeAll(t, pool, limit)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		require.ErrorIs(t, w.Do(ctx, Call{}, increment("a")), context.DeadlineExceeded)
		cancel()
		release(func(bun.Conn) {})

		require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))
		require.Equal(t, 2, value(t, d, "a"))
	}
}

// takeAll takes connections, all at once; release looks at each and returns it.
func takeAll(t testing.TB, pool *bun.DB, count int) (release func(look func(bun.Conn))) {
	t.Helper()
	connections := make([]bun.Conn, count)
	for i := range connections {
		var err error
		connections[i], err = pool.Conn(t.Context())
		require.NoError(t, err)
	}
	return func(look func(bun.Conn)) {
		for _, connection := range connections {
			look(connection)
			require.NoError(t, connection.Close())
		}
	}
}
