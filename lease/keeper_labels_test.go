package lease_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// Labels of a kept lease change at once, take no renewal, and stay through
// renewals and a replacement, whoever changed them.
func TestHeldSetLabels(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		r := exclusive("a", "f", time.Minute)
		r.MaxRenewals = 5
		h := keep(t, keeper(t, m, nil), acquire(t, m, r), nil)
		require.NoError(t, h.SetLabels(t.Context(), map[string]string{"step": "1"}))
		require.Equal(t, "1", h.Lease().Labels["step"])
		require.Zero(t, h.Lease().Renewals)
		time.Sleep(30 * time.Second)
		require.Positive(t, h.Lease().Renewals)
		require.Equal(t, "1", h.Lease().Labels["step"])

		_, err := m.SetLabels(t.Context(), h.Lease().Ref(), map[string]string{"step": "2"})
		require.NoError(t, err)
		time.Sleep(30 * time.Second)
		require.Equal(t, "2", h.Lease().Labels["step"])

		got, err := h.Replace(t.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
			return lease.Downgrade(ctx, m, l)
		})
		require.NoError(t, err)
		require.Equal(t, "2", got.Labels["step"])
		require.NoError(t, h.Release(t.Context()))
		require.ErrorIs(t, h.SetLabels(t.Context(), nil), lease.ErrReleased)
	})
}

// The reply to a renewal that was under way while the labels changed does not
// bring the old ones back.
func TestHeldSetLabelsDuringRenewal(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		h := keep(t, keeper(t, m, nil), acquire(t, m, exclusive("a", "f", time.Minute)), nil)
		renewed := make(chan struct{})
		proceed := make(chan struct{})
		m.disturb(func(ctx context.Context, renew renewCall) (lease.Lease, error) {
			l, err := renew(ctx)
			close(renewed)
			<-proceed
			return l, err
		})
		<-renewed
		m.disturb(nil)
		time.Sleep(time.Millisecond)
		require.NoError(t, h.SetLabels(t.Context(), map[string]string{"step": "1"}))
		close(proceed)
		time.Sleep(time.Millisecond)
		require.Equal(t, 1, h.Lease().Renewals)
		require.Equal(t, "1", h.Lease().Labels["step"])
	})
}
