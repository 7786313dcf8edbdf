//go:build unix

package pgtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// What was committed is there after a crash of the server, on the same port.
func TestServer(t *testing.T) {
	s := Start(t, true)
	s.Exec(`CREATE TABLE t (n int)`)
	for n, end := range []func(){s.Crash, s.Kill} {
		s.Exec(`INSERT INTO t VALUES (1)`)
		end()
		s.Restart()
		conn, err := pgx.Connect(t.Context(), s.URL())
		require.NoError(t, err)
		var count int
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM t`).Scan(&count))
		require.Equal(t, n+1, count)
		require.NoError(t, conn.Close(t.Context()))
	}
}
