package sqlitebackend

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// The deepest path that is allowed, as a tree, with a queue too long to be
// sorted here, makes the longest queries that there are: SQLite takes them.
func TestDeepestPath(t *testing.T) {
	m := mustManager(t, newPath(t), &Options{Synchronous: Normal})
	deepest := strings.TrimSuffix(strings.Repeat("p/", lease.MaxPathDepth), "/")
	held, err := m.TryAcquire(t.Context(), lease.Request{Holder: "holder", Claims: lease.Trees(deepest), TTL: time.Hour})
	require.NoError(t, err)
	ids := make([]lease.ID, fewWaiters+10)
	for i := range ids {
		ids[i] = lease.NewID()
		r := lease.Request{ID: ids[i], Holder: fmt.Sprintf("waiter-%d", i), Claims: lease.Trees(deepest), TTL: time.Hour, QueueTTL: time.Hour}
		_, err := m.TryAcquire(t.Context(), r)
		var conflict *lease.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, i+1, conflict.Position)
	}
	require.NoError(t, m.Release(t.Context(), held.Ref()))
	for i, id := range ids[:3] { // in their order
		r := lease.Request{ID: id, Holder: fmt.Sprintf("waiter-%d", i), Claims: lease.Trees(deepest), TTL: time.Hour, QueueTTL: time.Hour}
		l, err := m.TryAcquire(t.Context(), r)
		require.NoError(t, err)
		require.NoError(t, m.Release(t.Context(), l.Ref()))
	}
}
