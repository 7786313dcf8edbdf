package lease_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func TestHolders(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		first := acquire(t, m, lease.Request{Holder: "a", Claims: lease.SharedTrees("src"), TTL: time.Hour})
		second := acquire(t, m, lease.Request{Holder: "b", Claims: lease.SharedPaths("docs", "src/main.go"), TTL: time.Minute})
		acquire(t, m, exclusive("c", "other", time.Minute))
		waits := exclusive("d", "src/main.go", time.Minute)
		waits.ID, waits.QueueTTL, waits.Timeout = "place", time.Hour, 0
		_, err := m.TryAcquire(t.Context(), waits)
		require.ErrorIs(t, err, lease.ErrConflict)

		who, err := lease.Holders(t.Context(), m, "./src//main.go")
		require.NoError(t, err)
		require.Len(t, who, 2, "a waiter holds nothing")
		require.Equal(t, first.Ref(), who[0].Ref())
		require.Equal(t, second.Ref(), who[1].Ref())
		require.True(t, who[1].Valid())

		time.Sleep(time.Minute)
		who, err = lease.Holders(t.Context(), m, "src/main.go")
		require.NoError(t, err)
		require.Len(t, who, 1)
		who, err = lease.Holders(t.Context(), m, "free")
		require.NoError(t, err)
		require.Empty(t, who)
		_, err = lease.Holders(t.Context(), m, "..")
		require.ErrorIs(t, err, lease.ErrInvalid)
	})
}

// Every claim counts, not only the first or the last.
func TestVerifyLooksAtEveryClaim(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		l := acquire(t, m, lease.Request{Holder: "a", Claims: lease.Paths("a", "b", "c"), TTL: time.Minute})
		for _, path := range []string{"a", "b", "c"} {
			require.NoError(t, lease.Verify(t.Context(), m, l.Ref(), path))
		}
		require.ErrorIs(t, lease.Verify(t.Context(), m, l.Ref(), "d"), lease.ErrNotHolder)
	})
}

// wrapped is a Manager around another one.
type wrapped struct{ lease.Manager }

func (w wrapped) Unwrap() lease.Acquirer { return w.Manager }

func TestLifetimeOfAWrapper(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		own, ok := lease.LifetimeOf(m.Manager)
		require.True(t, ok)
		through, ok := lease.LifetimeOf(wrapped{wrapped{m.Manager}})
		require.True(t, ok)
		require.Equal(t, own, through)
		_, ok = lease.LifetimeOf(m)
		require.False(t, ok, "it does not say what it wraps")
		_, ok = lease.LifetimeOf(nil)
		require.False(t, ok)
		_, ok = lease.LifetimeOf(wrapped{})
		require.False(t, ok)

		k := keeper(t, wrapped{m.Manager}, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", time.Hour)), nil)
		require.NoError(t, m.Close())
		<-h.Context().Done()
		require.ErrorIs(t, h.Err(), lease.ErrClosed)
	})
}
