package view_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

// holds are what is active and pending, by ID, as the page and as the store say.
func shown(t *testing.T, s state) map[lease.ID]string {
	t.Helper()
	all := map[lease.ID]string{}
	for _, r := range s.Rows {
		all[r.ID] = r.Kind
	}
	return all
}

func stored(t *testing.T, m lease.Manager) map[lease.ID]string {
	t.Helper()
	all := map[lease.ID]string{}
	for l, err := range m.List(t.Context(), lease.Query{}) {
		require.NoError(t, err)
		all[l.ID] = map[lease.Status]string{lease.Active: "lease", lease.Pending: "waiter"}[l.Status]
	}
	return all
}

// After any script of operations the page shows what the store has.
func TestPageFollowsTheStore(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		h := handler(t, m, view.Options{})
		v := watch(t, h, "")
		v.next()
		random := rand.New(rand.NewPCG(1, 2))
		var held []lease.Lease
		for range 300 {
			holder := fmt.Sprintf("h%d", random.IntN(6))
			claims := []lease.Claim{{
				Path: fmt.Sprintf("d%d/f%d", random.IntN(3), random.IntN(4)),
				Mode: lease.Mode(random.IntN(2)),
			}}
			if random.IntN(5) == 0 {
				claims[0].Path, claims[0].Scope = claims[0].Path[:2], lease.Tree
			}
			switch dice := random.IntN(10); {
			case dice < 5:
				l, err := m.TryAcquire(t.Context(), lease.Request{ID: lease.NewID(), Holder: holder, Claims: claims, TTL: time.Minute, QueueTTL: time.Minute})
				if err == nil {
					held = append(held, l)
				} else {
					require.ErrorIs(t, err, lease.ErrConflict)
				}
			case dice < 8 && len(held) > 0:
				i := random.IntN(len(held))
				_ = m.Release(t.Context(), held[i].Ref()) // it may be revoked
				held = slices.Delete(held, i, i+1)
			case dice == 8 && len(held) > 0:
				_, _ = m.Renew(t.Context(), held[random.IntN(len(held))].Ref(), 2*time.Minute) // likewise
			case dice == 9:
				_, err := m.ForceRelease(t.Context(), lease.Query{Holder: holder}, lease.Revocation{Actor: "test", Reason: "script"})
				require.NoError(t, err)
			}
		}
		require.Eventually(t, func() bool {
			a, b := shown(t, now(t, h, "view=list&limit=500")), stored(t, m)
			return fmt.Sprint(a) == fmt.Sprint(b)
		}, 20*time.Second, 10*time.Millisecond)
	})
}

// What no event tells is read again: here, places in line that nobody keeps.
func TestDeadWaitersDisappear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New(nil)
		defer m.Close()
		h := handler(t, m, view.Options{})
		v := watch(t, h, "")
		v.next()
		l, err := m.TryAcquire(t.Context(), lease.Request{Holder: "ann", Claims: lease.Paths("a"), TTL: time.Hour})
		require.NoError(t, err)
		_, err = m.TryAcquire(t.Context(), lease.Request{ID: "w", Holder: "bob", Claims: lease.Paths("a"), TTL: time.Hour, QueueTTL: 20 * time.Second})
		require.ErrorIs(t, err, lease.ErrConflict)
		v.events(2)
		require.Equal(t, 1, now(t, h, "").Pending)
		time.Sleep(15 * time.Second)
		require.Equal(t, 1, now(t, h, "").Pending)
		time.Sleep(15 * time.Second)
		require.Equal(t, 0, now(t, h, "").Pending)
		require.NoError(t, m.Release(t.Context(), l.Ref()))
	})
}

func TestExpiryIsSeenWithoutASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New(nil)
		defer m.Close()
		h := handler(t, m, view.Options{})
		v := watch(t, h, "")
		v.next()
		_, err := m.TryAcquire(t.Context(), lease.Request{Holder: "ann", Claims: lease.Paths("a"), TTL: 10 * time.Second})
		require.NoError(t, err)
		v.events(1)
		require.Equal(t, 1, now(t, h, "").Active)
		time.Sleep(9800 * time.Millisecond)
		require.Equal(t, 1, now(t, h, "").Active)
		time.Sleep(300 * time.Millisecond)
		require.Equal(t, 0, now(t, h, "").Active, "at that moment")
	})
}

func TestWithoutHistory(t *testing.T) {
	for name, change := range map[string]func(*lease.Config){
		"no events":   func(c *lease.Config) { c.History = false },
		"no renewals": func(c *lease.Config) { c.HistoryRenewals = false },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := memory.New(nil)
				defer m.Close()
				c, err := m.Config(t.Context())
				require.NoError(t, err)
				change(&c)
				_, err = m.SetConfig(t.Context(), c)
				require.NoError(t, err)
				h := handler(t, m, view.Options{})
				v := watch(t, h, "")
				v.next()
				l, err := m.TryAcquire(t.Context(), lease.Request{Holder: "ann", Claims: lease.Paths("a"), TTL: 10 * time.Second})
				require.NoError(t, err)
				for range 6 { // renewed, it lasts
					time.Sleep(5 * time.Second)
					require.Equal(t, 1, now(t, h, "").Active)
					l, err = m.Renew(t.Context(), l.Ref(), 0)
					require.NoError(t, err)
				}
				require.NoError(t, m.Release(t.Context(), l.Ref()))
				time.Sleep(3 * time.Second)
				require.Equal(t, 0, now(t, h, "").Active)
			})
		})
	}
}

// While a list is read again, events go on. None of them is undone by it.
func TestReadingAgainUndoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &counter{Manager: memory.New(nil)}
		defer m.Close()
		h := handler(t, m, view.Options{})
		v := watch(t, h, "")
		v.next()
		blocker, err := m.TryAcquire(t.Context(), lease.Request{Holder: "ann", Claims: lease.Paths("a"), TTL: time.Hour})
		require.NoError(t, err)
		_, err = m.TryAcquire(t.Context(), lease.Request{ID: "w", Holder: "bob", Claims: lease.Paths("a"), TTL: time.Hour, QueueTTL: time.Hour})
		require.ErrorIs(t, err, lease.ErrConflict)
		v.events(2)
		// The list with the waiter is read, and before it is used the waiter
		// leaves and another arrives.
		var done atomic.Bool
		m.during.Store(func() {
			if done.Swap(true) {
				return
			}
			if err := m.Release(context.Background(), lease.Ref{ID: "w", Holder: "bob"}); err != nil {
				t.Error(err)
			}
			_, err := m.TryAcquire(context.Background(), lease.Request{ID: "w2", Holder: "cid", Claims: lease.Paths("a"), TTL: time.Hour, QueueTTL: time.Hour})
			if !errors.Is(err, lease.ErrConflict) {
				t.Error(err)
			}
			synctest.Wait() // the watch has told of both
		})
		time.Sleep(6 * time.Second)
		require.True(t, done.Load())
		require.Equal(t, map[lease.ID]string{blocker.ID: "lease", "w2": "waiter"}, shown(t, now(t, h, "view=list")))
	})
}

func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &counter{Manager: memory.New(nil)}
		defer m.Close()
		h := handler(t, m, view.Options{})
		v := watch(t, h, "")
		v.next()
		acquire(t, m, "ann", lease.Paths("a"))
		v.events(1)
		m.down.Store(true)
		away := v.next()
		require.NotEmpty(t, away.Error)
		require.False(t, away.Away.IsZero())
		require.Equal(t, 1, now(t, h, "").Active, "what was known is still shown")
		m.down.Store(false)
		for v.next().Error != "" {
			continue
		}

		// One that is away from the first is asked again, and not by each viewer.
		m = &counter{Manager: memory.New(nil)}
		defer m.Close()
		m.down.Store(true)
		h = handler(t, m, view.Options{})
		for range 100 {
			status, _ := fetch(t, h, request("/api/now"))
			require.Equal(t, 503, status)
		}
		require.Less(t, m.of("stats"), 5)
		m.down.Store(false)
		time.Sleep(10 * time.Second)
		require.Zero(t, now(t, h, "").Active)
	})
}

// A history that is trimmed faster than it is followed makes the page begin
// again.
func TestWatchFallsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &trimmed{Manager: memory.New(nil), fail: make(chan struct{})}
		defer m.Close()
		h := handler(t, m, view.Options{})
		v := watch(t, h, "")
		v.next()
		close(m.fail)
		acquire(t, m, "ann", lease.Paths("a"))
		time.Sleep(5 * time.Second)
		require.Equal(t, 1, now(t, h, "").Active)
		var last message
		for len(v.messages) > 0 {
			last = v.next()
		}
		require.Empty(t, last.Error)
	})
}
