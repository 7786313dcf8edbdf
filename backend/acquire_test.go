package backend_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

func TestTryAcquireFillsInDefaults(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		require.Zero(t, s.configReads, "New does no I/O")
		s.change(func(c *lease.Config) { c.MaxLeasesPerHolder, c.MaxRenewals = 9, 4 })
		l, err := m.TryAcquire(t.Context(), lease.Request{
			Holder: "h", Claims: lease.Paths("/a/", "b", "a"), Priority: 2, Labels: map[string]string{"k": "v"},
		})
		require.NoError(t, err)
		require.True(t, l.Valid())
		require.NotEmpty(t, l.ID)
		asks, withdrawn := s.state()
		require.Empty(t, withdrawn)
		require.Equal(t, []backend.AcquireArgs{{
			Request: lease.Request{
				ID: l.ID, Holder: "h", Claims: lease.Paths("a", "b"), TTL: time.Hour, MaxRenewals: 4,
				Priority: 2, Labels: map[string]string{"k": "v"},
			},
			Attempt: string(l.ID), HeadStart: time.Minute, Quota: 9, Blockers: true, ConfigVersion: 2,
			NotAfter: time.Now().Add(time.Minute + time.Millisecond),
		}}, asks)
	})
}

func TestTryAcquireAttemptsDiffer(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		r := request()
		r.ID = "mine"
		for range 2 {
			_, err := m.TryAcquire(t.Context(), r)
			require.NoError(t, err)
		}
		asks, _ := s.state()
		require.NotEqual(t, asks[0].Attempt, asks[1].Attempt)
		require.NotEqual(t, "mine", asks[0].Attempt)
	})
}

func TestTryAcquireOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		reply     backend.AcquireReply
		is        error
		withdrawn bool
	}{
		"Refused":    {backend.AcquireReply{Outcome: backend.Refused, Count: 1}, lease.ErrConflict, false},
		"Deadlocked": {backend.AcquireReply{Outcome: backend.Deadlocked, Cycle: []string{"h"}}, lease.ErrDeadlock, false},
		"OverQuota":  {backend.AcquireReply{Outcome: backend.OverQuota}, lease.ErrQuota, false},
		"Mismatch":   {backend.AcquireReply{Outcome: backend.Mismatch}, lease.ErrInvalid, false},
		"Withdrawn":  {backend.AcquireReply{Outcome: backend.Withdrawn}, lease.ErrUnavailable, false},
		"Gone":       {backend.AcquireReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrExpired}}, lease.ErrExpired, false},
		"GoneIsLost": {backend.AcquireReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrExpired}}, lease.ErrLost, false},
		"Unknown":    {backend.AcquireReply{Outcome: backend.LimitHit}, lease.ErrUnavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
				s.acquire = func(context.Context, backend.AcquireArgs) (backend.AcquireReply, error) { return c.reply, nil }
				_, err := m.TryAcquire(t.Context(), request())
				require.ErrorIs(t, err, c.is)
				_, withdrawn := s.state()
				require.Equal(t, c.withdrawn, len(withdrawn) > 0)
			})
		})
	}
}

func TestTryAcquireConflictSaysWhy(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = func(context.Context, backend.AcquireArgs) (backend.AcquireReply, error) {
			reply := queued(time.Second)
			reply.Blockers[0].ExpiresAt = time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)
			return reply, nil
		}
		r := request()
		r.ID, r.QueueTTL = "mine", 1500*time.Microsecond+minQueueTTL
		_, err := m.TryAcquire(t.Context(), r)
		var conflict *lease.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, 1, conflict.Position)
		require.Equal(t, time.Second, conflict.RetryAfter)
		require.Equal(t, `lease: try acquire "a" for h: a is held by other until 2000-01-01T00:00:01Z`, err.Error())
		asks, withdrawn := s.state()
		require.Equal(t, 102*time.Millisecond, asks[0].PlaceTTL)
		require.True(t, asks[0].Deadlock)
		require.Empty(t, withdrawn)
	})
}

const minQueueTTL = 100 * time.Millisecond

func TestTryAcquireLostReplyIsWithdrawn(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(failing)
		_, err := m.TryAcquire(t.Context(), request())
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.ErrorIs(t, err, errDown)
		s.wantWithdrawn(t, lease.EndCancelled)
	})
}

func TestTryAcquireWithQueueTTLIsNeverWithdrawn(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		r := request()
		r.ID, r.QueueTTL = "mine", time.Second
		s.acquire = answers(failing)
		_, err := m.TryAcquire(t.Context(), r)
		require.ErrorIs(t, err, lease.ErrUnavailable)

		ctx, cancel := context.WithCancel(t.Context())
		s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			cancel()
			return grant(a), nil
		}
		_, err = m.TryAcquire(ctx, r)
		require.NoError(t, err)
		_, withdrawn := s.state()
		require.Empty(t, withdrawn)
	})
}

func TestEndedContextSendsNothing(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		for _, call := range []func() error{
			func() error { _, err := m.TryAcquire(ctx, request()); return err },
			func() error { _, err := m.Acquire(ctx, request()); return err },
			func() error { _, err := m.Renew(ctx, lease.Ref{ID: "i", Holder: "h", Token: 1}, 0); return err },
			func() error { _, err := m.Get(ctx, "i"); return err },
			func() error { _, err := m.Config(ctx); return err },
			func() error { _, err := m.Stats(ctx); return err },
			func() error { _, err := m.Sweep(ctx); return err },
		} {
			err := call()
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, why)
		}
		require.Empty(t, s.asks)
		require.Zero(t, s.configReads)
	})
}

func TestGrantThatRacesWithContextIsGivenBack(t *testing.T) {
	for _, op := range []string{"TryAcquire", "Acquire"} {
		t.Run(op, func(t *testing.T) {
			manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
				ctx, cancel := context.WithCancel(t.Context())
				s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
					cancel()
					return grant(a), nil
				}
				call := map[string]func(context.Context, lease.Request) (lease.Lease, error){
					"TryAcquire": m.TryAcquire, "Acquire": m.Acquire,
				}[op]
				_, err := call(ctx, request())
				require.ErrorIs(t, err, context.Canceled)
				s.wantWithdrawn(t, lease.EndCancelled)

				// One that replaced a lease is the exception: the old one is gone.
				ctx, cancel = context.WithCancel(t.Context())
				defer cancel()
				r := request()
				r.Replace = lease.Ref{ID: "old", Holder: "h", Token: 1}
				l, err := call(ctx, r)
				require.NoError(t, err)
				require.True(t, l.Valid())
				require.Error(t, ctx.Err())
				_, withdrawn := s.state()
				require.Len(t, withdrawn, 1)
			})
		})
	}
}

func TestUnknownOutcomeOfReplaceThatStands(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		var lost backend.AcquireArgs
		s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			lost = a
			return backend.AcquireReply{}, errDown
		}
		s.withdraw = func(context.Context, backend.WithdrawArgs) (backend.WithdrawReply, error) {
			g := grant(lost)
			return backend.WithdrawReply{Outcome: backend.Refused, Lease: g.Lease, Remaining: g.Remaining}, nil
		}
		r := request()
		r.Replace = lease.Ref{ID: "old", Holder: "h", Token: 1}
		l, err := m.Acquire(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, lease.ID("old"), l.Replaced)
		require.True(t, l.Valid())
	})
}

func TestReplaceThatFailsNamesTheReplacedLease(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = func(context.Context, backend.AcquireArgs) (backend.AcquireReply, error) {
			return backend.AcquireReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrRevoked, Actor: "ops", Reason: "stuck"}}, nil
		}
		r := request()
		r.Replace = lease.Ref{ID: "old", Holder: "h", Token: 1}
		_, err := m.Acquire(t.Context(), r)
		require.ErrorIs(t, err, lease.ErrRevoked)
		var lost *lease.LostError
		require.ErrorAs(t, err, &lost)
		require.Equal(t, r.Replace, lost.Ref)
		require.Equal(t, "ops", lost.Actor)
	})
}

func TestTransferNeverWaits(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(outcome(backend.Refused))
		r := request()
		r.Replace = lease.Ref{ID: "old", Holder: "giver", Token: 1}
		_, err := m.Acquire(t.Context(), r)
		require.ErrorIs(t, err, lease.ErrConflict)
		asks, withdrawn := s.state()
		require.Len(t, asks, 1)
		require.Zero(t, asks[0].PlaceTTL)
		require.False(t, asks[0].Deadlock)
		require.Empty(t, withdrawn)
	})
}

func TestAgainIsRepeated(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(append(slices.Repeat([]answer{outcome(backend.Again)}, 2), granting)...)
		_, err := m.TryAcquire(t.Context(), request())
		require.NoError(t, err)
		asks, _ := s.state()
		require.Len(t, asks, 3)
		require.False(t, asks[0].Again)
		require.True(t, asks[1].Again)
		require.Equal(t, asks[0].Attempt, asks[2].Attempt)
	})
}

func TestAgainEndsWithContext(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		ctx, cancel := context.WithCancel(t.Context())
		s.acquire = func(context.Context, backend.AcquireArgs) (backend.AcquireReply, error) {
			cancel()
			return backend.AcquireReply{Outcome: backend.Again}, nil
		}
		_, err := m.TryAcquire(ctx, request())
		require.ErrorIs(t, err, context.Canceled)
		s.wantWithdrawn(t, lease.EndCancelled)
	})
}

func TestDeadlineOverStalledStore(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = stalling
		s.withdraw = func(ctx context.Context, _ backend.WithdrawArgs) (backend.WithdrawReply, error) {
			<-ctx.Done()
			return backend.WithdrawReply{}, ctx.Err()
		}
		took := elapsed()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := m.Acquire(ctx, request())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.LessOrEqual(t, took(), 125*time.Millisecond)

		// Close lets the withdrawal, which goes on in the background, try once more.
		took = elapsed()
		require.NoError(t, m.Close())
		require.Equal(t, time.Second, took())
	})
}

func TestTimeoutOverStalledStore(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = stalling
		took := elapsed()
		r := request()
		r.Timeout = 100 * time.Millisecond
		_, err := m.Acquire(t.Context(), r)
		require.ErrorIs(t, err, lease.ErrTimeout)
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.Equal(t, 350*time.Millisecond, took(), "the Timeout and the grace of an ask under way")
		s.wantWithdrawn(t, lease.EndTimeout)
	})
}

func TestGrantWinsOverTimeout(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			time.Sleep(150 * time.Millisecond)
			return grant(a), nil
		}
		r := request()
		r.Timeout = 100 * time.Millisecond
		l, err := m.Acquire(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, r.TTL-150*time.Millisecond-lease.Margin(r.TTL), l.Remaining(), "counted from before the ask")
	})
}

func TestWithdrawalIsRetried(t *testing.T) {
	var reported []error
	o := &backend.Options{Observer: &backend.Observer{
		Withdrawn: func(_ context.Context, _ backend.WithdrawArgs, err error) { reported = append(reported, err) },
	}}
	manage(t, o, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(failing)
		var tries atomic.Int64
		s.withdraw = func(context.Context, backend.WithdrawArgs) (backend.WithdrawReply, error) {
			if tries.Add(1) < 5 {
				return backend.WithdrawReply{}, errDown
			}
			return backend.WithdrawReply{}, nil
		}
		took := elapsed()
		_, err := m.TryAcquire(t.Context(), request())
		require.ErrorIs(t, err, errDown)
		require.Zero(t, took(), "a store that is down does not hold the caller")
		require.EqualValues(t, 1, tries.Load())
		time.Sleep(time.Second)
		synctest.Wait()
		require.EqualValues(t, 5, tries.Load())
		require.Equal(t, []error{nil}, reported)

		// It is not retried for ever.
		tries.Store(-1 << 20)
		_, err = m.TryAcquire(t.Context(), request())
		require.ErrorIs(t, err, errDown)
		time.Sleep(lease.MinEndedRetention + time.Second)
		synctest.Wait()
		require.Len(t, reported, 2)
		require.ErrorIs(t, reported[1], lease.ErrUnavailable)
	})
}

func TestPatienceWithSlowWithdrawal(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(failing)
		s.withdraw = func(ctx context.Context, _ backend.WithdrawArgs) (backend.WithdrawReply, error) {
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
			}
			return backend.WithdrawReply{}, ctx.Err()
		}
		took := elapsed()
		_, err := m.TryAcquire(t.Context(), request())
		require.ErrorIs(t, err, errDown)
		require.Equal(t, time.Second, took())

		took = elapsed()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = m.TryAcquire(ctx, request())
		require.ErrorIs(t, err, errDown)
		require.Equal(t, 125*time.Millisecond, took(), "the context ends during the wait")
	})
}

func TestStoreErrorsOfTheContractAreKept(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = func(context.Context, backend.AcquireArgs) (backend.AcquireReply, error) {
			return backend.AcquireReply{}, lease.ErrRegressed
		}
		_, err := m.Acquire(t.Context(), request())
		require.ErrorIs(t, err, lease.ErrRegressed)
		require.NotErrorIs(t, err, lease.ErrUnavailable)
		require.Equal(t, "lease: acquire: token counter went backwards", err.Error())
	})
}
