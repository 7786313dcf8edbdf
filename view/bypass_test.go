package view

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// Whom a waiter is shown to wait for is in its way by the store's word.
func TestEdgesAreWhatTheStoreSays(t *testing.T) {
	queue, dropped := 0, 0
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 1))
		m := memory.New(nil)
		requests := map[lease.ID]lease.Request{}
		for i := range 16 {
			r := lease.Request{
				ID: lease.ID(fmt.Sprintf("%02d", i)), Holder: fmt.Sprintf("h%d", random.IntN(5)), QueueTTL: time.Minute, Distinct: random.IntN(8) == 0,
			}
			for range 1 + random.IntN(2) {
				path := []string{"a", "a/b", "a/b/c", "d", "e", "/"}[random.IntN(6)]
				r.Claims = append(r.Claims, lease.Claim{Path: path, Mode: lease.Mode(random.IntN(2)), Scope: lease.Scope(random.IntN(2))})
			}
			requests[r.ID] = r
			_, err := m.TryAcquire(t.Context(), r)
			if err != nil && !errors.Is(err, lease.ErrConflict) {
				require.NoError(t, err)
			}
		}
		stats, err := m.Stats(t.Context())
		require.NoError(t, err)
		entries := map[lease.ID]*entry{}
		for l, err := range m.List(t.Context(), lease.Query{}) {
			require.NoError(t, err)
			entries[l.ID] = &entry{lease: l}
		}
		s := newSnapshot(entries, stats.Now, lease.DefaultConfig().PriorityBoost)
		shown := map[lease.ID][]edge{}
		for _, e := range s.graph().edges {
			shown[e.Waiter] = append(shown[e.Waiter], e)
		}
		for _, w := range s.pending {
			_, err := m.TryAcquire(t.Context(), requests[w.ID])
			var conflict *lease.ConflictError
			if !errors.As(err, &conflict) || errors.Is(err, lease.ErrDeadlock) {
				break // a grant, or a place that was given up, is not in the snapshot
			}
			blockers := map[lease.ID]bool{}
			for _, b := range conflict.Blockers {
				blockers[b.ID] = true
			}
			for _, e := range shown[w.ID] {
				if e.Queue {
					queue++
				}
				if !blockers[e.Blocker] {
					dropped++
					t.Logf("seed %d: %+v", seed, e)
				}
			}
			if len(shown[w.ID]) == 0 && conflict.Count > 0 {
				t.Errorf("seed %d: %s waits, and is shown to wait for nobody: %v", seed, w.ID, conflict)
			}
		}
		require.NoError(t, m.Close())
	}
	t.Logf("%d edges of the queue", queue)
	require.Zero(t, dropped)
}
