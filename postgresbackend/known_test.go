package postgresbackend

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// A handle that is alone does not read again what it knows. Once another one has
// changed anything it does.
func TestCarried(t *testing.T) {
	url, o := pgtest.Shared().URL(), &Options{Namespace: "carried"}
	s, err := OpenStore(t.Context(), url, o)
	require.NoError(t, err)
	m := backend.New(s, nil)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	other := open(t, url, o)
	take := func(m lease.Manager, holder, path string) lease.Lease {
		l, err := m.TryAcquire(t.Context(), request(holder, path))
		require.NoError(t, err)
		return l
	}
	for range 3 {
		l := take(m, "own", "f")
		require.NoError(t, m.Release(t.Context(), l.Ref()))
	}
	require.True(t, s.alone)

	taken := take(other, "other", "f")
	_, err = m.TryAcquire(t.Context(), request("own", "f"))
	require.ErrorIs(t, err, lease.ErrConflict, "of what was known the path is free")
	require.NoError(t, other.Release(t.Context(), taken.Ref()))
	held := take(m, "own", "f")
	for range 3 {
		_, err = m.Renew(t.Context(), held.Ref(), 0)
		require.NoError(t, err)
		_, err = m.TryAcquire(t.Context(), request("third", "f"))
		require.ErrorIs(t, err, lease.ErrConflict)
	}
	require.True(t, s.alone)
	_, err = other.ForceRelease(t.Context(), lease.Query{Holder: "own"}, lease.Revocation{Actor: "test", Reason: "test"})
	require.NoError(t, err)
	_, err = m.Renew(t.Context(), held.Ref(), 0)
	require.ErrorIs(t, err, lease.ErrRevoked)
	take(m, "third", "f")
	requireSound(t, url, o.Namespace)
}
