package lease_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func TestVerify(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		ctx := t.Context()
		l := acquire(t, m, lease.Request{Holder: "a", Claims: lease.Trees("src"), TTL: time.Minute})
		for _, path := range []string{"src", "src/main.go", "./src//lib/"} {
			require.NoError(t, lease.Verify(ctx, m, l.Ref(), path))
		}
		err := lease.Verify(ctx, m, l.Ref(), "docs")
		require.ErrorIs(t, err, lease.ErrNotHolder)
		require.ErrorContains(t, err, `"docs"`)

		stranger, older, unknown := l.Ref(), l.Ref(), l.Ref()
		stranger.Holder, older.Token, unknown.ID = "b", l.Token-1, "unknown"
		for ref, want := range map[lease.Ref]error{
			stranger:               lease.ErrNotHolder,
			older:                  lease.ErrNotHolder,
			unknown:                lease.ErrNotFound,
			{}:                     lease.ErrInvalid,
			{ID: "a", Holder: "a"}: lease.ErrInvalid,
		} {
			require.ErrorIs(t, lease.Verify(ctx, m, ref, "src"), want)
		}
		require.ErrorIs(t, lease.Verify(ctx, m, l.Ref(), "a/../b"), lease.ErrInvalid)
	})
}

// Verify and Renew give the same reason for an end.
func TestVerifyTellsTheEnd(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(t *testing.T, m *manager, l lease.Lease) error
		want error
	}{
		"expired": {func(_ *testing.T, _ *manager, _ lease.Lease) error {
			time.Sleep(time.Minute)
			return nil
		}, lease.ErrExpired},
		"released": {func(t *testing.T, m *manager, l lease.Lease) error {
			return m.Release(t.Context(), l.Ref())
		}, lease.ErrReleased},
		"revoked": {func(t *testing.T, m *manager, l lease.Lease) error {
			_, err := m.ForceRelease(t.Context(), lease.Query{ID: l.ID}, lease.Revocation{Actor: "operator"})
			return err
		}, lease.ErrRevoked},
		"replaced": {func(t *testing.T, m *manager, l lease.Lease) error {
			_, err := lease.Downgrade(t.Context(), m, l)
			return err
		}, lease.ErrReplaced},
		"transferred": {func(t *testing.T, m *manager, l lease.Lease) error {
			_, err := lease.Transfer(t.Context(), m, l, "b")
			return err
		}, lease.ErrReplaced},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *manager) {
				l := acquire(t, m, exclusive("a", "f", time.Minute))
				require.NoError(t, end.do(t, m, l))
				err := lease.Verify(t.Context(), m, l.Ref(), "f")
				require.ErrorIs(t, err, end.want)
				require.ErrorIs(t, err, lease.ErrLost)
				_, err = m.Renew(t.Context(), l.Ref(), 0)
				require.ErrorIs(t, err, end.want)
			})
		})
	}
}
