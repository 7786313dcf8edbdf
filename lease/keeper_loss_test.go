package lease_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// A holder that is cut off hears of its loss before anybody else is granted the
// path, and no renewal outlasts the local deadline.
func TestCutOffHolderHearsBeforeAnotherGrant(t *testing.T) {
	for i := range 100 {
		bubble(t, func(t *testing.T, m *manager) {
			ttl := lease.MinTTL + rand.N(10*time.Second)
			k := keeper(t, m, nil)
			h := keep(t, k, acquire(t, m, exclusive("a", "f", ttl)), nil)
			lost := make(chan time.Time, 1)
			go func() {
				<-h.Context().Done()
				if !h.Lease().Valid() {
					t.Error("the lease's local deadline came before the end of its context")
				}
				lost <- time.Now()
			}()
			time.Sleep(rand.N(3 * ttl))
			broken := []func(context.Context, renewCall) (lease.Lease, error){blackHole, refuse}[i%2]
			m.disturb(func(ctx context.Context, renew renewCall) (lease.Lease, error) {
				deadline := h.Lease().Deadline()
				l, err := broken(ctx, renew)
				if time.Now().After(deadline) {
					t.Error("the call outlasted the local deadline")
				}
				return l, err
			})
			acquire(t, m, exclusive("b", "f", time.Minute))
			granted := time.Now()
			select {
			case at := <-lost:
				require.True(t, at.Before(granted), "lost %v after the grant", at.Sub(granted))
			default:
				t.Fatal("another has the path, and the holder does not know")
			}
			require.ErrorIs(t, h.Err(), lease.ErrExpired)
			require.ErrorIs(t, h.Err(), lease.ErrLost)
			require.ErrorIs(t, h.Err(), lease.ErrUnavailable, "it says what kept it from being renewed")
			require.Equal(t, h.Err(), context.Cause(h.Context()))
			require.False(t, t.Failed())
		})
	}
}

// A store that does not even return from its calls changes nothing about that.
func TestStoreThatIgnoresContexts(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		l := acquire(t, m, exclusive("a", "f", 9*time.Second))
		h := keep(t, k, l, nil)
		m.disturb(func(_ context.Context, renew renewCall) (lease.Lease, error) {
			time.Sleep(time.Minute)
			return renew(context.Background())
		})
		<-h.Context().Done()
		require.True(t, time.Now().Before(l.ExpiresAt))
		require.ErrorIs(t, h.Release(t.Context()), lease.ErrExpired)
	})
}

// A renewal that succeeds after the lease was given up is taken back, so the
// path is free without another TTL going by.
func TestLateRenewalIsReleased(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		m.disturb(func(_ context.Context, renew renewCall) (lease.Lease, error) {
			l, err := renew(context.Background())
			time.Sleep(10 * time.Second)
			return l, err
		})
		<-h.Context().Done()
		requireHeld(t, m, "a", "f")
		time.Sleep(5 * time.Second)
		requireFree(t, m, "f")
	})
}

// Neither a failed renewal nor a lost reply loses a lease.
func TestRenewalIsRetried(t *testing.T) {
	disturbances := map[string]func(context.Context, renewCall) (lease.Lease, error){
		"refused": refuse, "reply lost": loseReply, "hangs": blackHole,
	}
	for name, disturbance := range disturbances {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *manager) {
				k := keeper(t, m, nil)
				h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
				for range 20 {
					n := 0
					m.disturb(func(ctx context.Context, renew renewCall) (lease.Lease, error) {
						if n++; n == 1 {
							return disturbance(ctx, renew)
						}
						m.disturb(nil)
						return renew(ctx)
					})
					time.Sleep(20 * time.Second)
					require.NoError(t, h.Err())
					requireHeld(t, m, "a", "f")
				}
			})
		})
	}
}

// Retries do not hammer a store that is down.
func TestRetriesBackOff(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		m.disturb(refuse)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", time.Minute)), nil)
		<-h.Context().Done()
		require.Greater(t, m.renewed(), 5)
		require.Less(t, m.renewed(), 25)
	})
}

// A renewal that is slow, but not too slow, is a renewal.
func TestSlowLink(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		m.disturb(func(ctx context.Context, renew renewCall) (lease.Lease, error) {
			select {
			case <-time.After(250 * time.Millisecond):
				return renew(ctx)
			case <-ctx.Done():
				return blackHole(ctx, renew)
			}
		})
		h := keep(t, k, acquire(t, m, exclusive("a", "f", time.Second)), nil)
		time.Sleep(time.Minute)
		require.NoError(t, h.Err())
		requireHeld(t, m, "a", "f")
	})
}

func TestRevokedLeaseIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		time.Sleep(time.Minute)
		_, err := m.ForceRelease(t.Context(), lease.Query{Holder: "a"}, lease.Revocation{Actor: "operator", Reason: "stuck"})
		require.NoError(t, err)
		revoked := time.Now()
		<-h.Context().Done()
		require.LessOrEqual(t, time.Since(revoked), 4*time.Second)
		cause := context.Cause(h.Context())
		require.ErrorIs(t, cause, lease.ErrRevoked)
		require.ErrorContains(t, cause, "operator: stuck")
		require.ErrorIs(t, h.Release(t.Context()), lease.ErrRevoked)
		before := m.renewed()
		time.Sleep(time.Minute)
		require.Equal(t, before, m.renewed())
	})
}

func TestRenewalLimit(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		r := exclusive("a", "f", 9*time.Second)
		r.MaxRenewals = 3
		h := keep(t, k, acquire(t, m, r), nil)
		<-h.Context().Done()
		require.ErrorIs(t, h.Err(), lease.ErrExpired)
		require.ErrorIs(t, h.Err(), lease.ErrRenewalLimit)
		require.Equal(t, 3, h.Lease().Renewals)
		require.Equal(t, 4, m.renewed(), "it is not tried again")
		acquire(t, m, exclusive("b", "f", time.Second))
	})
}

func TestMaxLifetime(t *testing.T) {
	for _, lifetime := range []time.Duration{4 * time.Second, 9 * time.Second, 13 * time.Second, 61 * time.Second} {
		t.Run(lifetime.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, m *manager) {
				k := keeper(t, m, nil)
				l := acquire(t, m, exclusive("a", "f", 9*time.Second))
				start := time.Now()
				h := keep(t, k, l, &lease.KeepOptions{MaxLifetime: lifetime})
				<-h.Context().Done()
				require.LessOrEqual(t, time.Since(start), lifetime)
				require.Greater(t, time.Since(start), lifetime*9/10)
				require.ErrorIs(t, h.Err(), lease.ErrExpired)
				require.ErrorContains(t, h.Err(), "MaxLifetime")
				acquire(t, m, exclusive("b", "f", time.Second))
				require.LessOrEqual(t, time.Since(start), max(lifetime, 9*time.Second)+time.Second/100,
					"the last renewal is no longer than the lifetime")
				require.LessOrEqual(t, m.renewed(), int(lifetime/(2500*time.Millisecond))+1)
			})
		})
	}
}

// A worker that hangs loses its lease.
func TestProgress(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), &lease.KeepOptions{Progress: 5 * time.Second})
		for range 100 {
			time.Sleep(4 * time.Second)
			h.Progress()
			require.NoError(t, h.Err())
		}
		time.Sleep(9 * time.Second) // it hangs, but not for too long
		require.NoError(t, h.Err())
		h.Progress()
		before := m.renewed()
		synctest.Wait()
		require.Equal(t, before+1, m.renewed(), "it was overdue")
		hangs := time.Now()
		<-h.Context().Done()
		require.LessOrEqual(t, time.Since(hangs), 5*time.Second+9*time.Second)
		require.ErrorIs(t, h.Err(), lease.ErrExpired)
		require.ErrorContains(t, h.Err(), "no progress for")
		h.Progress()
		acquire(t, m, exclusive("b", "f", time.Second))
	})
}

// hangingLong hangs on the renewals of one holder.
type hangingLong struct {
	*manager
}

func (m hangingLong) Renew(ctx context.Context, ref lease.Ref, ttl time.Duration) (lease.Lease, error) {
	if ref.Holder == "long" {
		return blackHole(ctx, nil)
	}
	return m.manager.Renew(ctx, ref, ttl)
}

// A queue of long leases whose renewals hang does not cost a short one its
// lease: the most urgent comes first.
func TestMostUrgentFirst(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, hangingLong{m}, &lease.KeeperOptions{Concurrency: 4})
		for i := range 200 {
			keep(t, k, acquire(t, m, exclusive("long", fmt.Sprint("long/", i), time.Hour)), nil)
		}
		short := keep(t, k, acquire(t, m, exclusive("short", "short", time.Minute)), nil)
		time.Sleep(50 * time.Minute)
		require.NoError(t, short.Err())
	})
}

// A renewal that is answered only after its lease was given up is taken back.
func TestRenewedAfterItWasGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		h := keep(t, keeper(t, m, nil), acquire(t, m, exclusive("a", "f", 10*time.Second)), nil)
		answered := make(chan struct{})
		m.disturb(func(ctx context.Context, renew renewCall) (lease.Lease, error) {
			defer close(answered)
			got, err := renew(context.WithoutCancel(ctx))
			time.Sleep(9500 * time.Millisecond) // the old deadline is over, the new one is not
			return got, err
		})
		<-answered
		synctest.Wait()
		require.ErrorIs(t, h.Err(), lease.ErrExpired)
		requireFree(t, m, "f")
	})
}
