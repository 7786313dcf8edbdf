//go:build linux

package postgresbackend

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// The server's disk is full, again and again: calls fail with an error that has
// what the server said in it, or the server ends. Once there is room again
// everything goes on, and nothing was lost.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	server := pgtest.StartSmall(t, 96)
	m := open(t, server.URL(), nil)
	held, err := m.TryAcquire(t.Context(), request("keeps", "kept"))
	require.NoError(t, err)
	full := 0
	troubled(t, server, 5, func() {
		free := server.Fill()
		defer free()
		require.Eventually(t, func() bool {
			l, err := m.TryAcquire(t.Context(), request("a", "f"))
			if err == nil {
				err = m.Release(t.Context(), l.Ref())
			}
			if code(err) == codeDiskFull {
				full++
			}
			if errors.Is(err, lease.ErrConflict) {
				return false // a release that failed
			}
			if err != nil {
				require.ErrorIs(t, err, lease.ErrUnavailable)
			}
			return err != nil
		}, patience, 1)
		free()
		server.Recover()
	})
	require.NoError(t, lease.Verify(t.Context(), m, held.Ref(), "kept"))
	require.NoError(t, m.Release(t.Context(), held.Ref()))
	t.Logf("%d calls were told that the disk is full", full)
}

const codeDiskFull = "53100"
