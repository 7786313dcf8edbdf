package lease_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

var errWork = errors.New("work failed")

func TestDoHoldsWhileItRuns(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		err := lease.Do(t.Context(), m, exclusive("a", "f", time.Second), func(ctx context.Context, l lease.Lease) error {
			require.True(t, l.Valid())
			time.Sleep(time.Hour)
			requireHeld(t, m, "a", "f")
			return ctx.Err()
		})
		require.NoError(t, err)
		requireFree(t, m, "f")
		before := m.renewed()
		time.Sleep(3 * time.Second)
		require.Equal(t, before, m.renewed())
	})
}

func TestDoWaits(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		acquire(t, m, exclusive("b", "f", time.Minute))
		start := time.Now()
		require.NoError(t, lease.Do(t.Context(), m, exclusive("a", "f", time.Second), func(context.Context, lease.Lease) error {
			return nil
		}))
		require.GreaterOrEqual(t, time.Since(start), time.Minute)
	})
}

func TestDoNotGranted(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		acquire(t, m, exclusive("b", "f", time.Minute))
		r := exclusive("a", "f", time.Second)
		r.Timeout = time.Second
		require.ErrorIs(t, lease.Do(t.Context(), m, r, func(context.Context, lease.Lease) error {
			panic("not granted")
		}), lease.ErrTimeout)
		require.ErrorIs(t, lease.Do(t.Context(), m, r, nil), lease.ErrInvalid)
		require.ErrorIs(t, lease.Do(t.Context(), nil, r, func(context.Context, lease.Lease) error { return nil }), lease.ErrInvalid)
	})
}

func TestDoReturnsTheError(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		err := lease.Do(t.Context(), m, exclusive("a", "f", time.Second), func(context.Context, lease.Lease) error {
			return errWork
		})
		require.Equal(t, errWork, err)
		requireFree(t, m, "f")
	})
}

// The lease of a worker that panics, or ends its goroutine, is released and not
// renewed any more; the panic goes on.
func TestDoPanic(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		require.PanicsWithValue(t, "broken", func() {
			_ = lease.Do(t.Context(), m, exclusive("a", "f", time.Second), func(context.Context, lease.Lease) error {
				time.Sleep(time.Minute)
				panic("broken")
			})
		})
		requireFree(t, m, "f")

		go func() {
			_ = lease.Do(t.Context(), m, exclusive("a", "f", time.Second), func(context.Context, lease.Lease) error {
				runtime.Goexit()
				return nil
			})
		}()
		synctest.Wait()
		requireFree(t, m, "f")
		before := m.renewed()
		time.Sleep(3 * time.Second)
		require.Equal(t, before, m.renewed())
	})
}

// The work hears that ctx has ended, and is still alone while it winds down.
func TestDoCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		ctx, cancel := context.WithCancelCause(t.Context())
		err := lease.Do(ctx, m, exclusive("a", "f", time.Second), func(ctx context.Context, _ lease.Lease) error {
			cancel(errWork)
			<-ctx.Done()
			time.Sleep(time.Minute)
			requireHeld(t, m, "a", "f")
			return context.Cause(ctx)
		})
		require.Equal(t, errWork, err)
		requireFree(t, m, "f")
	})
}

func TestDoKeepsTheDeadlineAndTheValues(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		type key struct{}
		want := time.Now().Add(time.Minute)
		ctx, cancel := context.WithDeadline(context.WithValue(t.Context(), key{}, "value"), want)
		defer cancel()
		require.NoError(t, lease.Do(ctx, m, exclusive("a", "f", time.Second), func(ctx context.Context, _ lease.Lease) error {
			got, ok := ctx.Deadline()
			require.True(t, ok)
			require.True(t, got.Equal(want))
			require.Equal(t, "value", ctx.Value(key{}))
			return nil
		}))
	})
}

func TestDoLoses(t *testing.T) {
	for name, work := range map[string]func(ctx context.Context) error{
		"nothing":   func(ctx context.Context) error { <-ctx.Done(); return nil },
		"the cause": func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
		"its own":   func(ctx context.Context) error { <-ctx.Done(); return errWork },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *manager) {
				m.disturb(blackHole)
				l := lease.Lease{}
				err := lease.Do(t.Context(), m, exclusive("a", "f", 9*time.Second), func(ctx context.Context, got lease.Lease) error {
					l = got
					err := work(ctx)
					require.True(t, time.Now().Before(l.ExpiresAt))
					return err
				})
				require.ErrorIs(t, err, lease.ErrExpired)
				require.Equal(t, name == "its own", errors.Is(err, errWork))
				var lost *lease.LostError
				require.ErrorAs(t, err, &lost)
				require.Equal(t, l.Ref(), lost.Ref)
			})
		})
	}
}

// A loss that nobody was told of yet is found out when the work is done.
func TestDoFindsOutAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		err := lease.Do(t.Context(), m, exclusive("a", "f", time.Minute), func(ctx context.Context, _ lease.Lease) error {
			_, err := m.ForceRelease(ctx, lease.Query{Path: "f"}, lease.Revocation{Actor: "operator"})
			require.NoError(t, err)
			return ctx.Err()
		})
		require.ErrorIs(t, err, lease.ErrRevoked)
	})
}

// What Do cannot release ends by itself; it does not wait for that.
func TestDoCannotRelease(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		m.onFree = func(lease.Ref) error { return errLink }
		err := lease.Do(t.Context(), m, exclusive("a", "f", time.Minute), func(context.Context, lease.Lease) error { return nil })
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.NotErrorIs(t, err, lease.ErrLost)
		requireHeld(t, m, "a", "f")
	})
}

func TestKeeperDo(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		err := k.Do(t.Context(), exclusive("a", "f", time.Second), &lease.KeepOptions{MaxLifetime: time.Minute}, func(ctx context.Context, h *lease.Held) error {
			time.Sleep(30 * time.Second)
			require.NoError(t, h.Err())
			require.Equal(t, ctx, h.Context())
			<-ctx.Done()
			return nil
		})
		require.ErrorIs(t, err, lease.ErrExpired)
		require.ErrorContains(t, err, "MaxLifetime")
		requireFree(t, m, "f")

		err = k.Do(t.Context(), exclusive("a", "f", time.Second), &lease.KeepOptions{Progress: -1}, func(context.Context, *lease.Held) error {
			panic("bad options")
		})
		require.ErrorIs(t, err, lease.ErrInvalid)
		requireFree(t, m, "f")
	})
}

// A closed Keeper asks for nothing: it would wait in line for what it cannot
// keep.
func TestDoOnAClosedKeeper(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		acquire(t, m, exclusive("b", "f", time.Hour))
		k := lease.NewKeeper(m, nil)
		k.Close()
		start := time.Now()
		err := k.Do(t.Context(), exclusive("a", "f", time.Second), nil, func(context.Context, *lease.Held) error {
			panic("closed")
		})
		require.ErrorIs(t, err, lease.ErrClosed)
		require.Zero(t, time.Since(start))
		head, err := m.Stats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, head.Head, "nothing was asked for")
	})
}

// A crashed process that gave no TTL blocks its path for half a minute, not for
// an hour.
func TestDoDefaults(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		var holders []string
		for range 2 {
			r := lease.Request{Claims: lease.Paths("f")}
			require.NoError(t, lease.Do(t.Context(), m, r, func(_ context.Context, l lease.Lease) error {
				require.Equal(t, 30*time.Second, l.TTL)
				holders = append(holders, l.Holder)
				return nil
			}))
		}
		require.NotEmpty(t, holders[0])
		require.NotEqual(t, holders[0], holders[1])
	})
}

func TestKeeperAcquire(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, nil)
		ctx, cancel := context.WithCancel(t.Context())
		h, err := k.Acquire(ctx, lease.Request{Claims: lease.Paths("f")}, nil)
		require.NoError(t, err)
		require.Equal(t, 30*time.Second, h.Lease().TTL)
		cancel()
		time.Sleep(time.Hour)
		require.NoError(t, h.Context().Err(), "the context was for the call")
		requireHeld(t, m, h.Lease().Holder, "f")

		_, err = k.TryAcquire(t.Context(), exclusive("b", "f", time.Second), nil)
		require.ErrorIs(t, err, lease.ErrConflict)
		r := exclusive("b", "f", time.Second)
		r.Timeout = time.Minute
		_, err = k.Acquire(t.Context(), r, nil)
		require.ErrorIs(t, err, lease.ErrTimeout)
		require.ErrorContains(t, err, "after 1m0s (the request's Timeout)")
		r.Timeout = 0
		_, err = k.Acquire(t.Context(), r, nil)
		require.ErrorContains(t, err, "after 30s (acquire_timeout)", "the context has no deadline")

		free := exclusive("b", "g", time.Second)
		_, err = k.TryAcquire(t.Context(), free, &lease.KeepOptions{Progress: -1})
		require.ErrorIs(t, err, lease.ErrInvalid)
		requireFree(t, m, "g")
		h, err = k.TryAcquire(t.Context(), free, &lease.KeepOptions{MaxLifetime: time.Minute})
		require.NoError(t, err)
		<-h.Context().Done()

		k.Close()
		_, err = k.Acquire(t.Context(), free, nil)
		require.ErrorIs(t, err, lease.ErrClosed)
		_, err = k.TryAcquire(t.Context(), free, nil)
		require.ErrorIs(t, err, lease.ErrClosed)
		_, err = (*lease.Keeper)(nil).Acquire(t.Context(), free, nil)
		require.ErrorIs(t, err, lease.ErrInvalid)
	})
}

// obedient is an Acquirer that releases nothing on behalf of what has ended.
type obedient struct{ *manager }

func (o obedient) Release(ctx context.Context, ref lease.Ref) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return o.manager.Release(ctx, ref)
}

func TestDoReleasesAfterItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, lease.Do(ctx, obedient{m}, exclusive("a", "f", time.Minute), func(context.Context, lease.Lease) error {
			cancel()
			return nil
		}))
		requireFree(t, m, "f")
	})
}
