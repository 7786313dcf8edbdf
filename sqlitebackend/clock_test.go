package sqlitebackend

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// stepped is a machine's clock that is set by hand.
func stepped(s *Store) func(time.Duration) {
	now := time.UnixMilli(1_800_000_000_000)
	s.wall = func() time.Time { return now }
	return func(d time.Duration) { now = now.Add(d) }
}

// TestClockSetBack: what was told to have expired, by a look or by a refusal,
// stays so when the machine's clock is set back, and time goes on.
func TestClockSetBack(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, m lease.Manager){
		"Look": func(t *testing.T, m lease.Manager) {
			_, err := m.Get(t.Context(), "one")
			require.NoError(t, err)
		},
		"Refusal": func(t *testing.T, m lease.Manager) {
			_, err := m.TryAcquire(t.Context(), lease.Request{Holder: "b", Claims: lease.Paths("g")})
			require.ErrorIs(t, err, lease.ErrConflict)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := OpenStore(t.Context(), filepath.Join(t.TempDir(), "leases.db"), nil)
			require.NoError(t, err)
			pass := stepped(s)
			m := backend.New(s, nil)
			defer func() { require.NoError(t, m.Close()) }()
			acquire := func(id lease.ID, path string, ttl time.Duration) lease.Lease {
				l, err := m.TryAcquire(t.Context(), lease.Request{ID: id, Holder: "a", Claims: lease.Paths(path), TTL: ttl})
				require.NoError(t, err)
				return l
			}
			acquire("long", "g", time.Hour)
			l := acquire("one", "f", time.Second)
			pass(2 * time.Second)
			use(t, m)
			pass(-time.Minute)
			_, err = m.Renew(t.Context(), l.Ref(), 0)
			require.ErrorIs(t, err, lease.ErrExpired)

			other := acquire("other", "f", time.Second)
			pass(-time.Minute)
			use(t, m)
			pass(2 * time.Second)
			use(t, m)
			_, err = m.Renew(t.Context(), other.Ref(), 0)
			require.ErrorIs(t, err, lease.ErrExpired, "time does not stand still until the clock has caught up")
		})
	}
}

// TestClockSetBackIsTold: a transaction that finds the clock set back tells
// other processes, even if it changes nothing else.
func TestClockSetBackIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	one, err := OpenStore(t.Context(), path, nil)
	require.NoError(t, err)
	other, err := OpenStore(t.Context(), path, nil)
	require.NoError(t, err)
	pass := stepped(one)
	other.wall = one.wall
	m, n := backend.New(one, nil), backend.New(other, nil)
	defer func() {
		require.NoError(t, m.Close())
		require.NoError(t, n.Close())
	}()
	l, err := m.TryAcquire(t.Context(), lease.Request{Holder: "a", Claims: lease.Paths("f"), TTL: 10 * time.Second})
	require.NoError(t, err)
	pass(-time.Hour)
	for _, m := range []lease.Manager{m, n, m, n} {
		_, err = m.TryAcquire(t.Context(), lease.Request{Holder: "b", Claims: lease.Paths("f")})
		require.ErrorIs(t, err, lease.ErrConflict)
		pass(3 * time.Second)
	}
	_, err = n.Renew(t.Context(), l.Ref(), 0)
	require.ErrorIs(t, err, lease.ErrExpired)
}
