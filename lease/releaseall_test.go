package lease_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func TestReleaseAll(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		ctx := t.Context()
		acquire(t, m, exclusive("b", "theirs", time.Minute))
		for _, path := range []string{"f", "g", "h"} {
			acquire(t, m, exclusive("a", path, time.Minute))
		}
		place := exclusive("a", "theirs", time.Minute)
		place.ID, place.QueueTTL, place.Timeout = "place", time.Minute, 0
		_, err := m.TryAcquire(ctx, place)
		require.ErrorIs(t, err, lease.ErrConflict)

		n, err := lease.ReleaseAll(ctx, m, lease.Query{Holder: "a", Under: "f"})
		require.NoError(t, err)
		require.Equal(t, 1, n, "only what the query selects")
		requireFree(t, m, "f")
		requireHeld(t, m, "a", "g")
		n, err = lease.ReleaseAll(ctx, m, lease.Query{Holder: "a", Status: []lease.Status{lease.Pending, lease.Active, lease.Released}})
		require.NoError(t, err)
		require.Equal(t, 3, n)
		for _, path := range []string{"f", "g", "h"} {
			requireFree(t, m, path)
		}
		stats, err := m.Stats(ctx)
		require.NoError(t, err)
		require.Zero(t, stats.Pending, "the place in line is given up")
		requireHeld(t, m, "b", "theirs")

		n, err = lease.ReleaseAll(ctx, m, lease.Query{Holder: "a"})
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = lease.ReleaseAll(ctx, m, lease.Query{Under: "f"})
		require.ErrorIs(t, err, lease.ErrInvalid)
	})
}

// One failure does not keep the rest, and what ended by itself is none.
func TestReleaseAllGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		stuck := acquire(t, m, exclusive("a", "stuck", time.Minute))
		gone := acquire(t, m, exclusive("a", "gone", time.Minute))
		acquire(t, m, exclusive("a", "f", time.Minute))
		m.onFree = func(ref lease.Ref) error {
			switch ref.ID {
			case stuck.ID:
				return errLink
			case gone.ID: // it ends just before
				_, err := m.ForceRelease(t.Context(), lease.Query{ID: gone.ID}, lease.Revocation{Actor: "operator"})
				return err
			}
			return nil
		}
		n, err := lease.ReleaseAll(t.Context(), m, lease.Query{Holder: "a"})
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.NotErrorIs(t, err, lease.ErrLost)
		require.Equal(t, 1, n)
		requireFree(t, m, "f")
		requireHeld(t, m, "a", "stuck")
	})
}

// brokenList fails after the first of what it lists.
type brokenList struct{ lease.Manager }

func (m brokenList) List(ctx context.Context, q lease.Query) iter.Seq2[lease.Lease, error] {
	return func(yield func(lease.Lease, error) bool) {
		for l, err := range m.Manager.List(ctx, q) {
			if err == nil && yield(l, nil) {
				yield(lease.Lease{}, errLink)
			}
			return
		}
	}
}

// What was listed before the list broke off is released.
func TestReleaseAllOfSome(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		acquire(t, m, exclusive("a", "f", time.Minute))
		acquire(t, m, exclusive("a", "g", time.Minute))
		n, err := lease.ReleaseAll(t.Context(), brokenList{m}, lease.Query{Holder: "a"})
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.Equal(t, 1, n)
		requireFree(t, m, "f")
		requireHeld(t, m, "a", "g")
	})
}
