package postgresbackend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// Behind PgBouncer in transaction mode nothing is prepared and LISTEN hears
// nothing: everything works, and waiters are found by asking.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared().Bouncer(t)
	t.Run("Parity", func(t *testing.T) { conformance.Parity(t, unhinted(opened(url)), conformance.Seeds(21, 3)...) })
	t.Run("HandOver", func(t *testing.T) {
		o := &Options{Namespace: "bouncer"}
		holder, waiter := open(t, url, o), open(t, url, o)
		held, err := holder.TryAcquire(t.Context(), request("a", "f"))
		require.NoError(t, err)
		granted := make(chan error, 1)
		go func() {
			_, err := waiter.Acquire(t.Context(), request("b", "f"))
			granted <- err
		}()
		require.Eventually(t, func() bool {
			stats, err := holder.Stats(t.Context())
			return err == nil && stats.Pending == 1
		}, patience, 5*time.Millisecond)
		require.NoError(t, holder.Release(t.Context(), held.Ref()))
		select {
		case err := <-granted:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Fatal("the waiter was not granted the path")
		}
		var clients int
		require.NoError(t, sharedPool().NewRaw(`SELECT count(*) FROM leasekit.lease_clients JOIN leasekit.lease_configs USING (namespace)
			WHERE name = 'bouncer'`).Scan(t.Context(), &clients))
		require.Zero(t, clients, "nobody is known, so nobody is taken for gone")
	})
	t.Run("NoticesNobody", func(t *testing.T) {
		s, err := OpenStore(t.Context(), url, nil)
		require.NoError(t, err)
		defer s.Close()
		reply, err := s.Config(t.Context())
		require.NoError(t, err)
		require.False(t, reply.NoticesGone)
	})
}

// unhinted opens stores that give no hints: a script cannot wait for what comes
// ten times a second, whatever happens.
func unhinted(newFixture func(testing.TB) conformance.Fixture) func(testing.TB) conformance.Fixture {
	return func(tb testing.TB) conformance.Fixture {
		f := newFixture(tb)
		open := f.Open
		f.Open = func(tb testing.TB) backend.Store { return withoutHints{open(tb)} }
		return f
	}
}

type withoutHints struct{ backend.Store }

func (withoutHints) Subscribe(lease.ID) (<-chan struct{}, func()) { return nil, func() {} }
