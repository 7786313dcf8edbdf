package postgresbackend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// An older copy of the state, as a replica has it that was promoted too early, is
// noticed by who has seen the newer one.
func TestRegressed(t *testing.T) {
	server := pgtest.Shared()
	m := open(t, server.URL(), &Options{Namespace: "regressed"})
	_, err := m.TryAcquire(t.Context(), request("a", "f"))
	require.NoError(t, err)
	server.Exec(`CREATE TABLE older AS SELECT * FROM leasekit.lease_counters`)
	_, err = m.TryAcquire(t.Context(), request("a", "g"))
	require.NoError(t, err)
	server.Exec(`UPDATE leasekit.lease_counters k SET token = o.token FROM older o
		JOIN leasekit.lease_configs USING (namespace) WHERE name = 'regressed' AND k.namespace = o.namespace; DROP TABLE older`)
	_, err = m.TryAcquire(t.Context(), request("a", "h"))
	require.ErrorIs(t, err, lease.ErrRegressed)
	_, err = m.Stats(t.Context())
	require.ErrorIs(t, err, lease.ErrRegressed)

	again := open(t, server.URL(), &Options{Namespace: "regressed"})
	_, err = again.TryAcquire(t.Context(), request("a", "h"))
	require.NoError(t, err, "who has seen nothing newer goes on")
}

// An older copy of the data directory was restored. Each handle that has lost
// commits notices, also after others have been granted newer tokens, and goes on
// noticing; who has lost nothing goes on.
func TestRestored(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, false)
	idle := open(t, server.URL(), nil)
	kept, err := idle.TryAcquire(t.Context(), request("idle", "kept"))
	require.NoError(t, err)
	var losers []lease.Manager
	for range 3 {
		losers = append(losers, open(t, server.URL(), nil))
	}
	older := server.Copy()
	for _, m := range losers {
		_, err := m.TryAcquire(t.Context(), request("loser", "lost"))
		require.NoError(t, err)
	}
	server.Crash()
	server.Replace(older)
	server.Restart()

	fresh := open(t, server.URL(), nil)
	require.NoError(t, lease.Verify(t.Context(), fresh, kept.Ref(), "kept"))
	var failed error
	for range 100 {
		l, err := fresh.TryAcquire(t.Context(), request("fresh", "lost"))
		require.NoError(t, err)
		require.NoError(t, fresh.Release(t.Context(), l.Ref()))
	}
	for range 2 {
		for i, m := range losers {
			require.EventuallyWithT(t, func(c *assert.CollectT) { // its connections have ended
				_, failed = m.TryAcquire(t.Context(), request("loser", "other"))
				assert.NotErrorIs(c, failed, lease.ErrUnavailable)
			}, patience, time.Millisecond)
			require.ErrorIs(t, failed, lease.ErrRegressed, i)
			_, err = m.Stats(t.Context())
			require.ErrorIs(t, err, lease.ErrRegressed, i)
		}
	}
	_, err = idle.Renew(t.Context(), kept.Ref(), 0)
	require.NoError(t, err)
	requireSound(t, server.URL(), DefaultNamespace)
}
