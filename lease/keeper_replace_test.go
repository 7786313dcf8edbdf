package lease_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func upgrade(m lease.Manager) func(context.Context, lease.Lease) (lease.Lease, error) {
	return func(ctx context.Context, l lease.Lease) (lease.Lease, error) { return lease.Upgrade(ctx, m, l) }
}

// The keeping goes on through an upgrade that waits for longer than the TTL.
func TestHeldReplace(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		reader := keep(t, k, acquire(t, m, shared("b", "f")), nil)
		h := keep(t, k, acquire(t, m, shared("a", "f")), nil)
		ctx := h.Context()
		time.AfterFunc(time.Hour, func() { _ = reader.Release(context.WithoutCancel(ctx)) })
		require.NoError(t, changeTimeout(t, m, 2*time.Hour))
		l, err := h.Replace(t.Context(), upgrade(m))
		require.NoError(t, err)
		require.Equal(t, lease.Paths("f"), l.Claims)
		require.Equal(t, l.Ref(), h.Lease().Ref())
		time.Sleep(time.Hour)
		requireHeld(t, m, "a", "f")
		require.NoError(t, ctx.Err())
		require.NoError(t, h.Release(t.Context()))
		requireFree(t, m, "f")
	})
}

func changeTimeout(t *testing.T, m lease.Manager, timeout time.Duration) error {
	c, err := m.Config(t.Context())
	require.NoError(t, err)
	c.AcquireTimeout = timeout
	_, err = m.SetConfig(t.Context(), c)
	return err
}

// A renewal that finds out about the replacement before Replace has its reply
// does not end the keeping.
func TestHeldReplaceOvertaken(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		_, err := h.Replace(t.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
			got, err := lease.Downgrade(ctx, m, l)
			time.Sleep(5 * time.Second)
			return got, err
		})
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.NoError(t, h.Err())
		requireHeld(t, m, "a", "f")
	})
}

func TestHeldReplaceFails(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		acquire(t, m, shared("b", "f"))
		h := keep(t, k, acquire(t, m, shared("a", "f")), nil)
		require.NoError(t, changeTimeout(t, m, time.Second))
		_, err := h.Replace(t.Context(), upgrade(m))
		require.ErrorIs(t, err, lease.ErrTimeout)
		_, err = h.Replace(t.Context(), func(context.Context, lease.Lease) (lease.Lease, error) { return lease.Lease{}, nil })
		require.ErrorIs(t, err, lease.ErrInvalid)
		require.Panics(t, func() {
			_, _ = h.Replace(t.Context(), func(context.Context, lease.Lease) (lease.Lease, error) { panic("broken") })
		})
		_, err = h.Replace(t.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
			_, err := h.Replace(ctx, upgrade(m))
			return lease.Lease{}, err
		})
		require.ErrorIs(t, err, lease.ErrInvalid, "one at a time")
		time.Sleep(time.Hour)
		require.NoError(t, h.Err(), "what was held is held still")
		requireShared(t, m, "a", "f")
	})
}

// Somebody else replaced the lease while a Replace was under way that failed.
func TestHeldReplaceLost(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		_, err := h.Replace(t.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
			_, err := lease.Transfer(ctx, m, l, "b")
			require.NoError(t, err)
			time.Sleep(5 * time.Second)
			return lease.Lease{}, errWork
		})
		require.Equal(t, errWork, err)
		synctest.Wait()
		require.ErrorIs(t, h.Err(), lease.ErrReplaced)
		_, err = h.Replace(t.Context(), upgrade(m))
		require.ErrorIs(t, err, lease.ErrReplaced)
	})
}

func TestHeldTransfer(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		ctx := h.Context()
		got, err := h.Replace(t.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
			return lease.Transfer(ctx, m, l, "b")
		})
		require.NoError(t, err)
		require.ErrorIs(t, context.Cause(ctx), lease.ErrReplaced)
		require.ErrorIs(t, h.Release(t.Context()), lease.ErrReplaced)
		require.NoError(t, lease.Verify(t.Context(), m, got.Ref(), "f"))
	})
}

// What was granted to a keeping that is over is given back.
func TestHeldReplaceAfterRelease(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		_, err := h.Replace(t.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
			got, err := lease.Downgrade(ctx, m, l)
			require.ErrorIs(t, h.Release(ctx), lease.ErrReplaced)
			return got, err
		})
		require.ErrorIs(t, err, lease.ErrReleased)
		requireFree(t, m, "f")
	})
}

// hangingFor hangs, whatever becomes of the context, on the renewals of one
// holder.
type hangingFor struct {
	*manager
	holder string
	until  time.Time
}

func (m hangingFor) Renew(ctx context.Context, ref lease.Ref, ttl time.Duration) (lease.Lease, error) {
	if ref.Holder == m.holder {
		time.Sleep(time.Until(m.until))
	}
	return m.manager.Renew(ctx, ref, ttl)
}

// A lease whose renewal got no turn before its deadline is replaced before the
// loop, held up by an observer, has noticed: the new one is renewed.
func TestHeldReplaceAtTheLastMoment(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, hangingFor{m, "busy", time.Now().Add(12 * time.Second)}, &lease.KeeperOptions{
			Concurrency: 1,
			Observer: &lease.KeeperObserver{Lost: func(l lease.Lease, _ error) {
				if l.Holder == "slow" {
					time.Sleep(20 * time.Second)
				}
			}},
		})
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		keep(t, k, acquire(t, m, exclusive("busy", "busy", 4*time.Second)), nil)
		keep(t, k, acquire(t, m, exclusive("slow", "slow", 9*time.Second)), &lease.KeepOptions{MaxLifetime: 3500 * time.Millisecond})
		_, err := h.Replace(t.Context(), func(ctx context.Context, _ lease.Lease) (lease.Lease, error) {
			time.Sleep(13 * time.Second)
			return m.Acquire(ctx, exclusive("a", "g", time.Minute))
		})
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.NoError(t, h.Err())
		requireHeld(t, m, "a", "g")
	})
}

// The renewals that the old lease was given while the upgrade waited are not
// given back with the new one.
func TestHeldReplaceGivesNoRenewalsBack(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		const most = 12
		k := keeper(t, m, nil)
		reader := keep(t, k, acquire(t, m, shared("b", "f")), nil)
		r := shared("a", "f")
		r.MaxRenewals = most
		require.NoError(t, changeTimeout(t, m, time.Hour))
		h := keep(t, k, acquire(t, m, r), nil)
		mine := func() int { return m.renewedFor("a") }
		time.Sleep(r.TTL)
		time.AfterFunc(2*r.TTL, func() { _ = reader.Release(context.Background()) })
		_, err := h.Replace(t.Context(), upgrade(m))
		require.NoError(t, err)
		require.Greater(t, mine(), 4)
		_, err = h.Replace(t.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) { return lease.Downgrade(ctx, m, l) })
		require.NoError(t, err)
		<-h.Context().Done()
		require.Equal(t, most+1, mine(), "the last one is refused")
		require.ErrorIs(t, h.Err(), lease.ErrExpired)
		require.ErrorIs(t, h.Err(), lease.ErrRenewalLimit)
	})
}
