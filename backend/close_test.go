package backend_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/everycall"
	"github.com/leasekit/leasekit/lease"
)

func TestCloseRefusesLaterCalls(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		require.NoError(t, m.Close())
		require.NoError(t, m.Close())
		for name, call := range everycall.Of(m, request(), held) {
			require.ErrorIs(t, call(t.Context()), lease.ErrClosed, name)
		}
		require.Equal(t, 1, s.closed)
	})
}

func TestCloseWakesTheWaiting(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing)
		done := start(t.Context(), m, request())
		require.NoError(t, m.Close())
		r := <-done
		require.ErrorIs(t, r.err, lease.ErrClosed)
		require.NotErrorIs(t, r.err, lease.ErrConflict)
		require.Zero(t, r.took)
		s.wantWithdrawn(t, lease.EndCancelled)
	})
}

func TestCloseEndsAnAskInLine(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		first := true
		s.acquire = func(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			if first {
				first = false
				s.hint <- struct{}{}
				return queued(0), nil
			}
			return stalling(ctx, a)
		}
		done := start(t.Context(), m, request())
		require.NoError(t, m.Close())
		require.ErrorIs(t, (<-done).err, lease.ErrClosed)
		s.wantWithdrawn(t, lease.EndCancelled)
	})
}

func TestCloseWaitsForCallsAndTakesGrantsBack(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			time.Sleep(400 * time.Millisecond)
			return grant(a), nil
		}
		done := start(t.Context(), m, request())
		took := elapsed()
		require.NoError(t, m.Close())
		require.Equal(t, 400*time.Millisecond, took())
		require.ErrorIs(t, (<-done).err, lease.ErrClosed)
		s.wantWithdrawn(t, lease.EndCancelled)
	})
}

func TestCloseBoundsCalls(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = stalling
		done := start(context.Background(), m, request())
		took := elapsed()
		require.NoError(t, m.Close())
		require.Equal(t, 500*time.Millisecond, took())
		r := <-done
		require.ErrorIs(t, r.err, lease.ErrClosed)
		require.ErrorIs(t, r.err, lease.ErrUnavailable, "the outcome is unknown")
		require.NotErrorIs(t, r.err, context.Canceled, "that is not what the caller did")
		s.wantWithdrawn(t, lease.EndCancelled)
	})
}

func TestCloseBoundsWithdrawals(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(failing)
		tries := 0
		s.withdraw = func(ctx context.Context, _ backend.WithdrawArgs) (backend.WithdrawReply, error) {
			if tries++; tries < 4 {
				return backend.WithdrawReply{}, errDown
			}
			<-ctx.Done()
			return backend.WithdrawReply{}, ctx.Err()
		}
		_, err := m.TryAcquire(t.Context(), request())
		require.ErrorIs(t, err, errDown)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		took := elapsed()
		require.NoError(t, m.Close())
		require.Equal(t, time.Second, took())
		require.Equal(t, 4, tries)
	})
}

func TestCloseFromManyGoroutines(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing)
		done := start(t.Context(), m, request())
		for range 8 {
			go func() {
				_ = m.Close()
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.closed != 1 {
					t.Error("Close returned before the store was closed")
				}
			}()
		}
		require.ErrorIs(t, (<-done).err, lease.ErrClosed)
		synctest.Wait()
	})
}

// A call made under Calls, as a Keeper's are, ends with Close like any other.
func TestCloseEndsBoundCalls(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.renew = func(ctx context.Context, _ backend.RenewArgs) (backend.RenewReply, error) {
			<-ctx.Done()
			return backend.RenewReply{}, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(m.(interface{ Calls() context.Context }).Calls(), time.Minute)
		defer cancel()
		done := make(chan error, 1)
		go func() { _, err := m.Renew(ctx, held, 0); done <- err }()
		synctest.Wait()
		begun := time.Now()
		require.NoError(t, m.Close())
		err := <-done
		require.ErrorIs(t, err, lease.ErrClosed)
		require.ErrorIs(t, err, lease.ErrUnavailable, "the outcome is unknown")
		require.Less(t, time.Since(begun), time.Second)
	})
}
