package redisbackend

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

// TestLooksAreSmall: each second's look at who is first in line costs the server little, however many claims the waiters have.
func TestLooksAreSmall(t *testing.T) {
	server := redistest.Single(t)
	store, err := NewStore(t.Context(), server.Client(), nil)
	require.NoError(t, err)
	m := backend.New(store, nil)
	defer m.Close()
	var claims []lease.Claim
	for i := range lease.MaxClaims {
		claims = append(claims, lease.Trees(fmt.Sprintf("deep/%d/a/b/c/d/e/f", i))...)
	}
	_, err = m.TryAcquire(t.Context(), lease.Request{Holder: "holder", Claims: lease.Trees("deep"), TTL: time.Minute})
	require.NoError(t, err)
	var ids []any
	for i := range wakeMaxLooked {
		r := lease.Request{ID: lease.NewID(), Holder: fmt.Sprint("waiter-", i), Claims: claims, TTL: time.Minute, QueueTTL: time.Minute}
		_, err := m.TryAcquire(t.Context(), r)
		require.ErrorIs(t, err, lease.ErrConflict)
		ids = append(ids, string(r.ID))
	}
	commands := func() int {
		sum := 0
		for line := range strings.Lines(fmt.Sprint(server.Do("INFO", "commandstats"))) {
			var calls int
			if _, figures, ok := strings.Cut(line, ":"); ok {
				if _, err := fmt.Sscanf(figures, "calls=%d,", &calls); err == nil {
					sum += calls
				}
			}
		}
		return sum
	}
	before := commands()
	_, err = store.(*Store).combiner.do(t.Context(), "look", ids...)
	require.NoError(t, err)
	took := commands() - before
	t.Logf("%d commands", took)
	require.Greater(t, took, 10, "it looks at some")
	require.LessOrEqual(t, took, 2*constants["LOOK_WORK"].(int))
}
