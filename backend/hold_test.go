package backend_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

var held = lease.Ref{ID: "i", Holder: "h", Token: 1}

func TestRenew(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		var asked []backend.RenewArgs
		s.renew = func(_ context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
			asked = append(asked, a)
			time.Sleep(time.Second)
			return backend.RenewReply{
				Lease: lease.Lease{ID: a.Ref.ID, Status: lease.Active, TTL: time.Minute}, Remaining: time.Minute,
			}, nil
		}
		s.change(func(c *lease.Config) { c.MaxTTL = 2 * time.Hour })
		l, err := m.Renew(t.Context(), held, 0)
		require.NoError(t, err)
		require.Equal(t, time.Minute-time.Second-lease.Margin(time.Minute), l.Remaining(), "counted from before the call")
		s.change(func(c *lease.Config) { c.MaxTTL = 3 * time.Hour })
		_, err = m.Renew(t.Context(), held, time.Second+1)
		require.NoError(t, err)
		require.Len(t, asked, 2)
		require.NotEqual(t, asked[0].Op, asked[1].Op)
		require.Equal(t, backend.RenewArgs{
			Ref: held, TTL: time.Second + time.Millisecond, MaxTTL: 3 * time.Hour, Op: asked[1].Op, ConfigVersion: 3,
		}, asked[1])
	})
}

func TestRenewOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		reply backend.RenewReply
		err   error
		is    error
	}{
		"Gone":     {backend.RenewReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrReplaced, Successor: "x"}}, nil, lease.ErrReplaced},
		"LimitHit": {backend.RenewReply{Outcome: backend.LimitHit}, nil, lease.ErrRenewalLimit},
		"TooLong":  {backend.RenewReply{Outcome: backend.TooLong}, nil, lease.ErrInvalid},
		"Bad":      {backend.RenewReply{Outcome: backend.Queued}, nil, lease.ErrUnavailable},
		"Stale":    {backend.RenewReply{Outcome: backend.Stale}, nil, lease.ErrUnavailable},
		"Error":    {backend.RenewReply{}, errDown, lease.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
				calls := 0
				s.renew = func(context.Context, backend.RenewArgs) (backend.RenewReply, error) {
					calls++
					return c.reply, c.err
				}
				_, err := m.Renew(t.Context(), held, 0)
				require.ErrorIs(t, err, c.is)
				require.Equal(t, 1, calls, "never repeated")
			})
		})
	}
}

func TestRefsAreChecked(t *testing.T) {
	manage(t, nil, func(t *testing.T, _ *script, m lease.Manager) {
		for _, ref := range []lease.Ref{{}, {ID: "i", Token: 1}, {Holder: "h", Token: 1}, {ID: "i", Holder: "a\x00b", Token: 1}} {
			_, err := m.Renew(t.Context(), ref, 0)
			require.ErrorIs(t, err, lease.ErrInvalid)
			require.ErrorIs(t, m.Release(t.Context(), ref), lease.ErrInvalid)
		}
		for _, ttl := range []time.Duration{-1, 1, lease.MinTTL - 1, lease.MaxTTL + 1} {
			_, err := m.Renew(t.Context(), held, ttl)
			require.ErrorIs(t, err, lease.ErrInvalid)
		}
		_, err := m.Renew(t.Context(), lease.Ref{ID: "i", Holder: "h"}, 0)
		require.EqualError(t, err, "lease: invalid token: 0; only Release takes any")
	})
}

func TestReleaseWorksWithAnEndedContext(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.release = func(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
			require.NoError(t, ctx.Err())
			require.Equal(t, held, a.Ref)
			return backend.ReleaseReply{}, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, m.Release(ctx, held))
	})
}

func TestReleaseIsRetried(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		calls := 0
		s.release = func(context.Context, backend.ReleaseArgs) (backend.ReleaseReply, error) {
			if calls++; calls < 4 {
				return backend.ReleaseReply{}, errDown
			}
			return backend.ReleaseReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrExpired}}, nil
		}
		took := elapsed()
		err := m.Release(t.Context(), held)
		require.ErrorIs(t, err, lease.ErrExpired)
		require.ErrorIs(t, err, lease.ErrLost)
		require.Equal(t, 140*time.Millisecond, took())

		calls = -1 << 20
		took = elapsed()
		require.ErrorIs(t, m.Release(t.Context(), held), lease.ErrUnavailable)
		require.Equal(t, 5*time.Second, took())
	})
}

func TestReleaseGoesOnAfterTheDeadline(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		var released atomic.Bool
		start := elapsed()
		s.release = func(ctx context.Context, _ backend.ReleaseArgs) (backend.ReleaseReply, error) {
			if start() < 2*time.Second {
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				return backend.ReleaseReply{}, errDown
			}
			released.Store(true)
			return backend.ReleaseReply{}, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := m.Release(ctx, held)
		require.Equal(t, 100*time.Millisecond, start())
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, released.Load())
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.True(t, released.Load())
	})
}

func TestReleaseOutcomeOutOfContract(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.release = func(context.Context, backend.ReleaseArgs) (backend.ReleaseReply, error) {
			return backend.ReleaseReply{Outcome: backend.Queued}, nil
		}
		require.ErrorIs(t, m.Release(t.Context(), held), lease.ErrUnavailable)
		s.release = func(context.Context, backend.ReleaseArgs) (backend.ReleaseReply, error) {
			return backend.ReleaseReply{}, lease.ErrRegressed
		}
		took := elapsed()
		require.ErrorIs(t, m.Release(t.Context(), held), lease.ErrRegressed)
		require.Zero(t, took())
	})
}
