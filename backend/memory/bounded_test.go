package memory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

func TestBounds(t *testing.T) {
	config := lease.DefaultConfig()
	config.DefaultTTL = time.Minute
	s := memory.NewBounded(memory.Bounds{
		Load: func(c *rules.Counters) (time.Time, *rules.Cover) {
			return time.Now(), &rules.Cover{Claims: lease.Trees("/"), Until: 1 << 60, Token: c.Token + 1}
		},
		Config: config, MaxEnded: 3, MaxEvents: 4,
	})
	m := backend.New(s, nil)
	defer m.Close()
	c, err := m.Config(t.Context())
	require.NoError(t, err)
	require.Equal(t, time.Minute, c.DefaultTTL)

	held, err := m.TryAcquire(t.Context(), lease.Request{Holder: "a", Claims: lease.Paths("held")})
	require.NoError(t, err)
	require.EqualValues(t, 1, held.Token)
	for i := range 10 {
		id := lease.ID(fmt.Sprint(i))
		l, err := m.TryAcquire(t.Context(), lease.Request{ID: id, Holder: "a", Claims: lease.Paths("f"), Labels: map[string]string{"id": string(id)}})
		require.NoError(t, err)
		require.NoError(t, m.Release(t.Context(), l.Ref()))
	}
	for i := range 10 {
		id := lease.ID(fmt.Sprint(i))
		l, err := m.Get(t.Context(), id)
		if i < 7 {
			require.ErrorIs(t, err, lease.ErrNotFound)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, lease.Released, l.Status)
		require.Equal(t, string(id), l.Labels["id"])
	}
	got, err := m.Get(t.Context(), held.ID)
	require.NoError(t, err)
	require.Equal(t, lease.Active, got.Status)

	stats, err := m.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 21, stats.Head)
	kept := int(stats.Head - stats.Oldest + 1)
	require.GreaterOrEqual(t, kept, 4)
	require.Less(t, kept, 8)
}
