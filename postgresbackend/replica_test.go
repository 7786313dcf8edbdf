package postgresbackend

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// A replica is refused, whoever comes to it by mistake: who opens it, and who was
// on the primary before. After a failover that has lost commits, who has seen
// them is told so; who opens the store anew goes on, with newer tokens.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t, true)
	url := primary.URL()
	m := open(t, url, nil)
	_, err := m.TryAcquire(t.Context(), request("a", "kept"))
	require.NoError(t, err)
	replica := primary.Replica(t)
	primary.Exec(`INSERT INTO leasekit.lease_clients VALUES (1, '1', pg_postmaster_start_time(), true)`)

	var failed *OpenError
	_, err = Open(t.Context(), replica.URL(), nil)
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, ErrUnsupported)

	host := func(s *pgtest.Server) string { return strings.Split(strings.Split(s.URL(), "@")[1], "/")[0] }
	both := strings.Replace(url, host(primary), fmt.Sprint(host(primary), ",", host(replica)), 1)
	either := open(t, both, nil)
	replica.Crash()
	last, err := either.TryAcquire(t.Context(), request("a", "lost"))
	require.NoError(t, err)
	primary.Kill()
	replica.Restart()
	for range 3 {
		_, err = either.TryAcquire(t.Context(), request("b", "g"))
		require.ErrorIs(t, err, lease.ErrUnavailable)
		_, err = either.Stats(t.Context())
		require.ErrorIs(t, err, lease.ErrUnavailable)
	}
	require.ErrorIs(t, err, ErrUnsupported)
	_, err = either.TryAcquire(t.Context(), request("b", "g"))
	require.ErrorIs(t, err, ErrUnsupported)

	replica.Promote()
	replica.Exec(`DO 'BEGIN ASSERT NOT EXISTS (SELECT FROM leasekit.lease_clients); END'`) // nothing is known of who is gone
	require.Eventually(t, func() bool {
		_, err = either.TryAcquire(t.Context(), request("b", "g"))
		return !strings.Contains(err.Error(), "replica")
	}, patience, 10*time.Millisecond)
	require.ErrorIs(t, err, lease.ErrRegressed)
	_, err = either.Stats(t.Context())
	require.ErrorIs(t, err, lease.ErrRegressed)
	next, err := open(t, replica.URL(), nil).TryAcquire(t.Context(), request("b", "lost"))
	require.NoError(t, err)
	require.Greater(t, next.Token, last.Token)
	requireSound(t, replica.URL(), DefaultNamespace)
}
