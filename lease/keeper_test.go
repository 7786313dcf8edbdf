package lease_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func TestKeepRenewsAtAThirdOfTheTTL(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		l := acquire(t, m, exclusive("a", "f", 30*time.Second))
		h := keep(t, k, l, nil)
		time.Sleep(time.Hour)
		requireHeld(t, m, "a", "f")
		require.NoError(t, h.Err())
		require.NoError(t, h.Context().Err())
		require.Equal(t, l.Ref(), h.Lease().Ref())
		require.True(t, h.Lease().Valid())
		require.InDelta(t, 360, m.renewed(), 40)
		calls := m.calls()
		for i, at := range calls[1:] {
			require.InDelta(t, 10, at.Sub(calls[i]).Seconds(), 1.5)
		}

		require.NoError(t, h.Release(t.Context()))
		requireFree(t, m, "f")
		require.ErrorIs(t, context.Cause(h.Context()), lease.ErrReleased)
		require.ErrorIs(t, h.Err(), lease.ErrReleased)
		before := m.renewed()
		time.Sleep(3 * 30 * time.Second)
		require.Equal(t, before, m.renewed(), "nothing is renewed after Release")
	})
}

// What was granted at one moment is not renewed at one moment.
func TestRenewalsSpread(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		const leases, ttl = 1500, 30 * time.Second
		k := keeper(t, m, nil)
		for i := range leases {
			keep(t, k, acquire(t, m, exclusive(fmt.Sprint("holder-", i), fmt.Sprint(i), ttl)), nil)
		}
		start := time.Now()
		time.Sleep(ttl / 2)
		perSecond := map[int]int{}
		for _, at := range m.calls() {
			perSecond[int(at.Sub(start).Seconds())]++
		}
		require.GreaterOrEqual(t, m.renewed(), leases, "all were renewed before half of their TTL")
		for second, n := range perSecond {
			require.Less(t, n, leases/5*3, "in second %d", second)
		}
	})
}

// A Keeper that keeps nothing need not be closed.
func TestIdleKeeperHasNoGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := lease.NewKeeper(m, nil)
		for range 3 {
			h := keep(t, k, acquire(t, m, exclusive("a", "f", time.Second)), nil)
			time.Sleep(time.Minute)
			require.NoError(t, h.Release(t.Context()))
		}
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		const leases, bound = 50, 7
		k := keeper(t, m, &lease.KeeperOptions{Concurrency: bound})
		var now, most int
		m.disturb(func(ctx context.Context, renew renewCall) (lease.Lease, error) {
			m.mu.Lock()
			now++
			most = max(most, now)
			m.mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			m.mu.Lock()
			now--
			m.mu.Unlock()
			return renew(ctx)
		})
		for i := range leases {
			keep(t, k, acquire(t, m, exclusive("a", fmt.Sprint(i), 6*time.Second)), nil)
		}
		time.Sleep(time.Minute)
		m.mu.Lock()
		require.Equal(t, bound, most)
		m.mu.Unlock()
		for i := range leases {
			requireHeld(t, m, "a", fmt.Sprint(i))
		}
	})
}

// The context is for the call, not for the keeping.
func TestKeepOutlivesItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		k := keeper(t, m, nil)
		l, err := m.Acquire(ctx, exclusive("a", "f", time.Second))
		require.NoError(t, err)
		h, err := k.Keep(ctx, l, nil)
		require.NoError(t, err)
		cancel()
		time.Sleep(time.Minute)
		requireHeld(t, m, "a", "f")
		require.NoError(t, h.Context().Err())
		require.Equal(t, "value", h.Context().Value(key{}))
		require.NoError(t, h.Release(ctx), "with the ended context")
		requireFree(t, m, "f")
	})
}

func TestContended(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		time.Sleep(time.Minute)
		select {
		case <-h.Contended():
			t.Fatal("nobody waits")
		default:
		}
		granted := make(chan lease.Lease)
		go func() {
			r := exclusive("b", "f", time.Second)
			r.Priority = 7
			l, _ := m.Acquire(t.Context(), r)
			granted <- l
		}()
		asked := time.Now()
		<-h.Contended()
		require.LessOrEqual(t, time.Since(asked), 4*time.Second, "it tells with the next renewal")
		require.Equal(t, 1, h.Lease().Contention.Waiters)
		require.Equal(t, 7, h.Lease().Contention.Priority)
		require.NoError(t, h.Release(t.Context()))
		require.True(t, (<-granted).Valid())
	})
}

func TestKeeperClose(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		l := acquire(t, m, exclusive("a", "f", 9*time.Second))
		h, late := keep(t, k, l, nil), keep(t, k, l, nil)
		ctx := h.Context()
		time.Sleep(time.Minute)
		m.disturb(blackHole)
		time.Sleep(3 * time.Second)
		k.Close() // with a call under way
		k.Close()
		require.ErrorIs(t, context.Cause(ctx), lease.ErrClosed)
		require.NotErrorIs(t, context.Cause(ctx), lease.ErrLost, "the lease itself was not lost")
		require.ErrorIs(t, context.Cause(late.Context()), lease.ErrClosed, "asked for afterwards")
		requireHeld(t, m, "a", "f")
		before := m.renewed()
		time.Sleep(3 * 9 * time.Second)
		require.Equal(t, before, m.renewed())
		requireFree(t, m, "f")

		_, err := k.Keep(t.Context(), acquire(t, m, exclusive("a", "f", time.Second)), nil)
		require.ErrorIs(t, err, lease.ErrClosed)
		require.ErrorIs(t, k.Do(t.Context(), exclusive("a", "g", time.Second), nil, func(context.Context, *lease.Held) error {
			panic("not under a closed Keeper")
		}), lease.ErrClosed)
		requireFree(t, m, "g")
	})
}

func TestManagerCloseEndsTheKeeping(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		require.NoError(t, m.Close())
		closed := time.Now()
		<-h.Context().Done()
		require.ErrorIs(t, h.Err(), lease.ErrClosed)
		require.LessOrEqual(t, time.Since(closed), 3*time.Second)
	})
}

// One lease that cannot be released does not keep the others, and is named.
func TestKeeperReleaseAll(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		var lost lease.Lease
		for i := range 10 {
			l := acquire(t, m, exclusive("a", fmt.Sprint(i), time.Minute))
			keep(t, k, l, nil)
			if i == 4 {
				lost = l
			}
		}
		_, err := m.ForceRelease(t.Context(), lease.Query{Path: "4"}, lease.Revocation{Actor: "operator"})
		require.NoError(t, err)
		m.onFree = func(ref lease.Ref) error {
			if ref.ID != lost.ID {
				return nil
			}
			return m.Manager.Release(t.Context(), ref)
		}
		err = k.ReleaseAll(t.Context())
		require.ErrorIs(t, err, lease.ErrRevoked)
		var which *lease.LostError
		require.ErrorAs(t, err, &which)
		require.Equal(t, lost.Ref(), which.Ref, "it names the lost one")
		for i := range 10 {
			requireFree(t, m, fmt.Sprint(i))
		}
		require.NoError(t, k.ReleaseAll(t.Context()), "there is nothing left")
	})
}

func TestReleaseAgain(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		h := keep(t, k, acquire(t, m, exclusive("a", "f", time.Minute)), nil)
		down := true
		m.onFree = func(lease.Ref) error {
			if down {
				return errLink
			}
			return nil
		}
		require.ErrorIs(t, h.Release(t.Context()), lease.ErrUnavailable)
		requireHeld(t, m, "a", "f")
		down = false
		require.NoError(t, h.Release(t.Context()))
		requireFree(t, m, "f")
		require.NoError(t, h.Release(t.Context()))
	})
}

func TestKeepsWhatWasLookedUp(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		l := acquire(t, m, exclusive("a", "f", 10*time.Second))
		time.Sleep(4 * time.Second)
		seen, err := m.Get(t.Context(), l.ID)
		require.NoError(t, err)
		keep(t, keeper(t, m, nil), seen, nil)
		time.Sleep(time.Minute)
		requireHeld(t, m, "a", "f")
	})
}

func TestKeeperMisuse(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		ctx := t.Context()
		good := acquire(t, m, exclusive("a", "f", time.Second))
		for _, k := range []*lease.Keeper{nil, {}, lease.NewKeeper(nil, nil)} {
			_, err := k.Keep(ctx, good, nil)
			require.ErrorIs(t, err, lease.ErrInvalid)
			require.ErrorIs(t, k.ReleaseAll(ctx), lease.ErrInvalid)
			require.ErrorIs(t, k.Do(ctx, exclusive("a", "f", 0), nil, func(context.Context, *lease.Held) error { return nil }), lease.ErrInvalid)
			k.Close()
		}
		k := keeper(t, m, nil)
		_, err := k.Keep(nil, good, nil) //nolint:staticcheck // that is what is tested
		require.ErrorIs(t, err, lease.ErrInvalid)
		_, err = k.Acquire(nil, exclusive("a", "g", 0), nil) //nolint:staticcheck // likewise
		require.ErrorIs(t, err, lease.ErrInvalid)
		require.ErrorIs(t, lease.Do(nil, m, exclusive("a", "g", 0), func(context.Context, lease.Lease) error { return nil }), lease.ErrInvalid) //nolint:staticcheck // likewise
		_, err = k.Keep(ctx, lease.Lease{}, nil)
		require.ErrorIs(t, err, lease.ErrInvalid)
		var written lease.Lease
		text, err := json.Marshal(good)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &written))
		_, err = k.Keep(ctx, written, nil)
		require.ErrorIs(t, err, lease.ErrInvalid, "what was written down tells nothing of now")
		_, err = k.Keep(ctx, good, &lease.KeepOptions{Progress: -1})
		require.ErrorIs(t, err, lease.ErrInvalid)
		_, err = k.Keep(ctx, good, &lease.KeepOptions{MaxLifetime: -1})
		require.ErrorIs(t, err, lease.ErrInvalid)
		time.Sleep(time.Second)
		_, err = k.Keep(ctx, good, nil)
		require.ErrorIs(t, err, lease.ErrExpired)
		require.ErrorIs(t, err, lease.ErrLost)

		for _, h := range []*lease.Held{nil, {}} {
			require.ErrorIs(t, h.Err(), lease.ErrInvalid)
			require.ErrorIs(t, context.Cause(h.Context()), lease.ErrInvalid)
			require.ErrorIs(t, h.Release(ctx), lease.ErrInvalid)
			_, err := h.Replace(ctx, nil)
			require.ErrorIs(t, err, lease.ErrInvalid)
			require.Zero(t, h.Lease())
			h.Contended()
			h.Progress()
		}
	})
}

func TestKeeperObserver(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		var log []string
		add := func(what string, l lease.Lease) {
			m.mu.Lock()
			defer m.mu.Unlock()
			log = append(log, what+" "+l.Holder)
		}
		k := keeper(t, m, &lease.KeeperOptions{Observer: &lease.KeeperObserver{
			Renewed: func(l lease.Lease, _ time.Duration) { add("renewed", l) },
			Retried: func(l lease.Lease, err error) {
				if errors.Is(err, errLink) {
					add("retried", l)
				}
			},
			Lost: func(l lease.Lease, err error) {
				if errors.Is(err, lease.ErrRevoked) {
					add("lost", l)
				}
			},
			Skipped: func(l lease.Lease, since time.Duration) {
				if since > 4*time.Second {
					add("skipped", l)
				}
			},
		}})
		h := keep(t, k, acquire(t, m, exclusive("a", "f", 9*time.Second)), nil)
		time.Sleep(3100 * time.Millisecond)
		m.disturb(func(ctx context.Context, renew renewCall) (lease.Lease, error) {
			m.disturb(nil)
			return refuse(ctx, renew)
		})
		time.Sleep(3500 * time.Millisecond)
		_, err := m.ForceRelease(t.Context(), lease.Query{ID: h.Lease().ID}, lease.Revocation{Actor: "operator"})
		require.NoError(t, err)
		<-h.Context().Done()
		synctest.Wait()
		hung := keep(t, k, acquire(t, m, exclusive("b", "f", 9*time.Second)), &lease.KeepOptions{Progress: 4 * time.Second})
		<-hung.Context().Done()
		require.Equal(t, []string{"renewed a", "retried a", "renewed a", "lost a", "renewed b", "skipped b"}, log)
	})
}
