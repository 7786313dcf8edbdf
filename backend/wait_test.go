package backend_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// result is what a call in another goroutine returned, and when.
type result struct {
	lease lease.Lease
	err   error
	took  time.Duration
}

// start calls Acquire in another goroutine and waits until it rests.
func start(ctx context.Context, m lease.Manager, r lease.Request) <-chan result {
	done := make(chan result, 1)
	took := elapsed()
	go func() {
		l, err := m.Acquire(ctx, r)
		done <- result{l, err, took()}
	}()
	synctest.Wait()
	return done
}

// woken records why calls asked again.
func woken() (*[]backend.Wakeup, *backend.Options) {
	var all []backend.Wakeup
	return &all, &backend.Options{Observer: &backend.Observer{
		Woken: func(_ context.Context, _ lease.ID, why backend.Wakeup) { all = append(all, why) },
	}}
}

func TestAcquireWaitsForHint(t *testing.T) {
	why, o := woken()
	manage(t, o, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing, granting)
		done := start(t.Context(), m, request())
		require.Equal(t, 1, s.wakes, "subscribed before asking")
		time.Sleep(time.Second)
		s.hint <- struct{}{}
		r := <-done
		require.NoError(t, r.err)
		require.Equal(t, time.Second, r.took)
		require.Equal(t, []backend.Wakeup{backend.WokenByHint}, *why)
		asks, withdrawn := s.state()
		require.Empty(t, withdrawn)
		require.Equal(t, 10*time.Second, asks[0].PlaceTTL)
		require.True(t, asks[0].Deadlock)
		require.False(t, asks[0].Again)
		require.True(t, asks[1].Again)
		require.Equal(t, asks[0].Attempt, asks[1].Attempt)
		want := r.lease.TTL - lease.Margin(r.lease.TTL)
		require.Equal(t, want, r.lease.Remaining(), "measured from the ask that was granted")
	})
}

func TestHintDuringTheAskIsNotMissed(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(func(backend.AcquireArgs) (backend.AcquireReply, error) {
			s.hint <- struct{}{}
			return queued(0), nil
		}, granting)
		took := elapsed()
		_, err := m.Acquire(t.Context(), request())
		require.NoError(t, err)
		require.Zero(t, took())
	})
}

func TestAcquireAsksAgainAtTheEndOfItsBlockers(t *testing.T) {
	why, o := woken()
	manage(t, o, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(func(backend.AcquireArgs) (backend.AcquireReply, error) { return queued(2 * time.Second), nil }, granting)
		took := elapsed()
		_, err := m.Acquire(t.Context(), request())
		require.NoError(t, err)
		require.Equal(t, 2*time.Second+time.Millisecond, took())
		require.Equal(t, []backend.Wakeup{backend.WokenByExpiry}, *why)
	})
}

func TestHeartbeatKeepsThePlace(t *testing.T) {
	why, o := woken()
	manage(t, o, func(t *testing.T, s *script, m lease.Manager) {
		s.change(func(c *lease.Config) { c.WaiterTTL = 3 * time.Second })
		s.acquire = answers(append(slices.Repeat([]answer{queueing}, 3), granting)...)
		took := elapsed()
		_, err := m.Acquire(t.Context(), request())
		require.NoError(t, err)
		require.InDelta(t, 3*time.Second, took(), float64(300*time.Millisecond), "a jittered third of it each")
		require.Equal(t, []backend.Wakeup{backend.WokenByHeartbeat, backend.WokenByHeartbeat, backend.WokenByHeartbeat}, *why)
	})
}

func TestStoreWithoutHintsIsPolled(t *testing.T) {
	for name, hint := range map[string]chan struct{}{"Nil": nil, "Closed": closedHint()} {
		t.Run(name, func(t *testing.T) {
			manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
				s.hint = hint
				s.acquire = answers(queueing)
				r := request()
				r.Timeout = 10 * time.Second
				_, err := m.Acquire(t.Context(), r)
				require.ErrorIs(t, err, lease.ErrTimeout)
				asks, _ := s.state()
				require.InDelta(t, 43, len(asks), 2, "soon at first, then every quarter of a second")
			})
		})
	}
}

func closedHint() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func TestTimeoutWithdraws(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing)
		took := elapsed()
		_, err := m.Acquire(t.Context(), request())
		require.Equal(t, 30*time.Second, took(), "Config.AcquireTimeout")
		require.ErrorIs(t, err, lease.ErrTimeout)
		require.ErrorIs(t, err, lease.ErrConflict)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		var conflict *lease.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, "other", conflict.Blockers[0].Holder)
		require.Zero(t, conflict.Position, "it has no place any more")
		s.wantWithdrawn(t, lease.EndTimeout)
	})
}

func TestTimeoutThatRacedWithAReplacement(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing)
		r := request()
		r.Replace, r.Timeout = lease.Ref{ID: "old", Holder: "h", Token: 1}, time.Second
		s.withdraw = func(context.Context, backend.WithdrawArgs) (backend.WithdrawReply, error) {
			g := grant(s.asks[0])
			return backend.WithdrawReply{Outcome: backend.Refused, Lease: g.Lease, Remaining: g.Remaining}, nil
		}
		l, err := m.Acquire(t.Context(), r)
		require.NoError(t, err)
		require.True(t, l.Valid())
	})
}

func TestNoTimeoutWaitsForTheContext(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r := request()
		r.Timeout = lease.NoTimeout
		took := elapsed()
		_, err := m.Acquire(ctx, r)
		require.Equal(t, time.Hour, took())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, lease.ErrConflict)
		require.NotErrorIs(t, err, lease.ErrTimeout)
		s.wantWithdrawn(t, lease.EndCancelled)
	})
}

func TestDeadlockEndsTheWait(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing, func(backend.AcquireArgs) (backend.AcquireReply, error) {
			return backend.AcquireReply{Outcome: backend.Deadlocked, Cycle: []string{"h", "other"}}, nil
		})
		_, err := m.Acquire(t.Context(), request())
		require.ErrorIs(t, err, lease.ErrDeadlock)
		var conflict *lease.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, []string{"h", "other"}, conflict.Cycle)
		_, withdrawn := s.state()
		require.Empty(t, withdrawn, "the store gave up the place")
	})
}

func TestFirstAskThatFailsIsNotRetried(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(failing)
		_, err := m.Acquire(t.Context(), request())
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.NotErrorIs(t, err, lease.ErrConflict)
		s.wantWithdrawn(t, lease.EndCancelled)
	})
}

func TestWaitSurvivesAStoreThatIsAway(t *testing.T) {
	why, o := woken()
	manage(t, o, func(t *testing.T, s *script, m lease.Manager) {
		s.hint <- struct{}{}
		s.acquire = answers(slices.Concat([]answer{queueing}, slices.Repeat([]answer{failing}, 3), []answer{queueing, granting})...)
		took := elapsed()
		_, err := m.Acquire(t.Context(), request())
		require.NoError(t, err)
		require.InDelta(t, (20+40+80)*time.Millisecond+10*time.Second/3, took(), float64(time.Second)/3)
		require.Equal(t, []backend.Wakeup{
			backend.WokenByHint, backend.WokenByRetry, backend.WokenByRetry, backend.WokenByRetry, backend.WokenByHeartbeat,
		}, *why)
		_, withdrawn := s.state()
		require.Empty(t, withdrawn)
	})
}

func TestTimeoutWhileTheStoreIsAway(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing, failing)
		r := request()
		r.Timeout = 9 * time.Second // less than Config.WaiterTTL
		_, err := m.Acquire(t.Context(), r)
		require.ErrorIs(t, err, lease.ErrTimeout)
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.ErrorIs(t, err, errDown)
		var away *lease.UnavailableError
		require.ErrorAs(t, err, &away)
		asks, _ := s.state()
		require.Less(t, len(asks), 40)
	})
}

func TestPlaceThatLapsesWhileTheStoreIsAway(t *testing.T) {
	for name, away := range map[string]func(context.Context, backend.AcquireArgs) (backend.AcquireReply, error){
		"Failing":  func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) { return failing(a) },
		"Stalling": stalling,
	} {
		t.Run(name, func(t *testing.T) {
			manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
				asks := 0
				s.acquire = func(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
					if asks++; asks <= 2 {
						return queueing(a)
					}
					return away(ctx, a)
				}
				r := request()
				r.Timeout = lease.NoTimeout
				took := elapsed()
				_, err := m.Acquire(t.Context(), r)
				require.InDelta(t, 10*time.Second/3+10*time.Second, took(), float64(time.Second)/3, "a WaiterTTL after the last answer")
				require.ErrorIs(t, err, lease.ErrUnavailable)
				require.NotErrorIs(t, err, lease.ErrConflict)
				s.wantWithdrawn(t, lease.EndCancelled)
			})
		})
	}
}

func TestOtherErrorsEndTheWait(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing, func(backend.AcquireArgs) (backend.AcquireReply, error) {
			return backend.AcquireReply{}, lease.ErrRegressed
		})
		_, err := m.Acquire(t.Context(), request())
		require.ErrorIs(t, err, lease.ErrRegressed)
		s.wantWithdrawn(t, lease.EndCancelled)
	})
}

func TestConfigChangesReachTheWaiting(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing)
		done := start(t.Context(), m, request())
		s.change(func(c *lease.Config) { c.WaiterTTL, c.AcquireTimeout = 600*time.Millisecond, 5*time.Second })
		r := <-done
		require.ErrorIs(t, r.err, lease.ErrTimeout)
		require.Equal(t, 5*time.Second, r.took)
		asks, _ := s.state()
		require.Equal(t, 600*time.Millisecond, asks[len(asks)-1].PlaceTTL)
	})
}

func TestBlockingSwitchedOff(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing)
		done := start(t.Context(), m, request())
		s.change(func(c *lease.Config) { c.Blocking = false })
		r := <-done
		require.ErrorIs(t, r.err, lease.ErrDisabled)
		require.InDelta(t, 10*time.Second/3, r.took, float64(time.Second)/3, "at the next heartbeat")
		s.wantWithdrawn(t, lease.EndCancelled)

		asks, _ := s.state()
		_, err := m.Acquire(t.Context(), request())
		require.ErrorIs(t, err, lease.ErrDisabled)
		queue := request()
		queue.ID, queue.QueueTTL = "mine", time.Second
		_, err = m.TryAcquire(t.Context(), queue)
		require.ErrorIs(t, err, lease.ErrDisabled)
		after, _ := s.state()
		require.Len(t, after, len(asks), "nothing was sent")

		s.change(func(c *lease.Config) { c.Blocking = true })
		s.acquire = nil
		_, err = m.Acquire(t.Context(), request())
		require.NoError(t, err, "a violation is checked against the current configuration")
	})
}
