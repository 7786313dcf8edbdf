package backend_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// swept lets d pass and returns how many sweeps there were meanwhile.
func (s *script) swept(d time.Duration) int {
	s.mu.Lock()
	before := len(s.sweeps)
	s.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sweeps) - before
}

func TestSweepInTheBackground(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		require.InDelta(t, 12, s.swept(time.Hour), 1, "every five minutes")
		s.mu.Lock()
		pauses := map[time.Duration]bool{}
		for i := range s.sweeps[1:] {
			pause := s.sweeps[i+1].Sub(s.sweeps[i])
			require.InDelta(t, 5*time.Minute, pause, float64(30*time.Second))
			pauses[pause] = true
		}
		s.mu.Unlock()
		require.Greater(t, len(pauses), 5, "jittered")

		// A change by this process is obeyed at once.
		c, err := m.Config(t.Context())
		require.NoError(t, err)
		c.SweepInterval = time.Second
		c, err = m.SetConfig(t.Context(), c)
		require.NoError(t, err)
		require.InDelta(t, 10, s.swept(10*time.Second), 2)
		c.AutoSweep = false
		_, err = m.SetConfig(t.Context(), c)
		require.NoError(t, err)
		require.Zero(t, s.swept(time.Hour))

		// One by another process within a minute, or with the next call.
		s.change(func(c *lease.Config) { c.AutoSweep = true })
		require.Positive(t, s.swept(time.Minute+2*time.Second))
		s.change(func(c *lease.Config) { c.AutoSweep = false })
		_, err = m.TryAcquire(t.Context(), request())
		require.NoError(t, err)
		require.Zero(t, s.swept(time.Hour))
	})
}

func TestBackgroundSweepSurvivesErrors(t *testing.T) {
	calls := 0
	o := &backend.Options{Observer: &backend.Observer{StoreCall: func(_ context.Context, op string, _ time.Duration, err error) {
		if op == "sweep" && err != nil {
			calls++
		}
	}}}
	manage(t, o, func(t *testing.T, s *script, _ lease.Manager) {
		s.onSweep(func(context.Context) (backend.SweepReply, error) { return backend.SweepReply{}, errDown })
		require.InDelta(t, 12, s.swept(time.Hour), 1)
		require.InDelta(t, 12, calls, 1)
	})
}

func TestBackgroundSweepPausesBetweenSteps(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, _ lease.Manager) {
		s.onSweep(func(context.Context) (backend.SweepReply, error) {
			return backend.SweepReply{More: len(s.sweeps) < 10}, nil
		})
		require.Equal(t, 10, s.swept(6*time.Minute))
		require.Equal(t, 45*time.Millisecond, s.sweeps[9].Sub(s.sweeps[0]))
	})
}

func TestCloseStopsASweep(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.onSweep(func(context.Context) (backend.SweepReply, error) { return backend.SweepReply{More: true}, nil })
		time.Sleep(6 * time.Minute)
		require.NoError(t, m.Close())
	})
}

func TestSweepSumsUp(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.onSweep(func(context.Context) (backend.SweepReply, error) {
			return backend.SweepReply{
				Result: lease.SweepResult{Expired: 1, Lapsed: 2, Forgotten: 3, Trimmed: 4}, More: len(s.sweeps) < 3,
			}, nil
		})
		result, err := m.Sweep(t.Context())
		require.NoError(t, err)
		require.Equal(t, lease.SweepResult{Expired: 3, Lapsed: 6, Forgotten: 9, Trimmed: 12}, result)

		ctx, cancel := context.WithCancel(t.Context())
		s.onSweep(func(context.Context) (backend.SweepReply, error) {
			cancel()
			return backend.SweepReply{Result: lease.SweepResult{Expired: 1}, More: true}, nil
		})
		result, err = m.Sweep(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, result.Expired)

		s.onSweep(func(context.Context) (backend.SweepReply, error) { return backend.SweepReply{}, errDown })
		_, err = m.Sweep(t.Context())
		require.ErrorIs(t, err, lease.ErrUnavailable)
	})
}
