package lease_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// A lease whose MaxLifetime is over is released, however long its TTL, and a
// while after its holder was told.
func TestMaxLifetimeReleases(t *testing.T) {
	for _, lifetime := range []time.Duration{50 * time.Millisecond, time.Minute, 59 * time.Minute, 3 * time.Hour} {
		bubble(t, func(t *testing.T, m *manager) {
			k := keeper(t, m, nil)
			start := time.Now()
			h := keep(t, k, acquire(t, m, exclusive("a", "f", time.Hour)), &lease.KeepOptions{MaxLifetime: lifetime})
			<-h.Context().Done()
			told := time.Since(start)
			require.True(t, h.Lease().Valid(), "the loss is told before the lease's end")
			requireHeld(t, m, "a", "f")
			require.ErrorContains(t, h.Err(), "MaxLifetime")
			acquire(t, m, exclusive("b", "f", time.Second))
			require.Less(t, told, time.Since(start))
			require.InDelta(t, lifetime.Seconds(), time.Since(start).Seconds(), 0.1)
			require.ErrorIs(t, h.Release(t.Context()), lease.ErrExpired)
		})
	}
}

// Who hears of it in time may release it before the Keeper does; the others
// need not.
func TestMaxLifetimeAndRelease(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		o := &lease.KeepOptions{MaxLifetime: time.Minute}
		h := keep(t, k, acquire(t, m, exclusive("a", "f", time.Hour)), o)
		<-h.Context().Done()
		require.ErrorIs(t, h.Release(t.Context()), lease.ErrExpired)
		requireFree(t, m, "f")

		h = keep(t, k, acquire(t, m, exclusive("a", "f", time.Hour)), o)
		<-h.Context().Done()
		requireHeld(t, m, "a", "f")
		require.NoError(t, k.ReleaseAll(t.Context()), "its holder was told before")
		requireFree(t, m, "f")
	})
}

// A lease that is detached is neither renewed nor released.
func TestDetach(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		time.Sleep(time.Minute)
		ctx := h.Context()
		l, err := h.Detach(t.Context(), 0)
		require.NoError(t, err)
		require.ErrorIs(t, context.Cause(ctx), lease.ErrClosed)
		require.NotErrorIs(t, context.Cause(ctx), lease.ErrLost)
		require.True(t, l.Valid())
		again, err := keep(t, k, l, nil).Detach(t.Context(), 0)
		require.NoError(t, err, "it can be kept again")
		require.Equal(t, l.Ref(), again.Ref())
		requireHeld(t, m, "a", "f")
		before := m.renewed()
		time.Sleep(9 * time.Second)
		require.Equal(t, before, m.renewed())
		requireFree(t, m, "f")
	})
}

// It may be left to run out after a time, longer or shorter than it would last.
func TestDetachAfter(t *testing.T) {
	for _, after := range []time.Duration{lease.MinTTL, time.Second, time.Minute} {
		bubble(t, func(t *testing.T, m *manager) {
			k := keeper(t, m, nil)
			h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
			m.disturb(refuse)
			_, err := h.Detach(t.Context(), after)
			require.ErrorIs(t, err, lease.ErrUnavailable)
			m.disturb(nil)
			l, err := h.Detach(t.Context(), after)
			require.NoError(t, err, "called again")
			require.Equal(t, l.Ref(), h.Lease().Ref())
			start := time.Now()
			acquire(t, m, exclusive("b", "f", time.Second))
			require.InDelta(t, after.Seconds(), time.Since(start).Seconds(), 0.01)
		})
	}
}

func TestDetachMisuse(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		for _, after := range []time.Duration{-1, 1, lease.MaxTTL + 1} {
			_, err := h.Detach(t.Context(), after)
			require.ErrorIs(t, err, lease.ErrInvalid)
		}
		require.NoError(t, h.Err())
		require.NoError(t, h.Release(t.Context()))
		_, err := h.Detach(t.Context(), 0)
		require.ErrorIs(t, err, lease.ErrReleased)
		_, err = new(lease.Held).Detach(t.Context(), 0)
		require.ErrorIs(t, err, lease.ErrInvalid)
	})
}
