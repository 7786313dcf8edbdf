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

// An Observer that panics while it is told of what the engine does by itself
// ends neither that work nor the process, and does not keep Close.
func TestObserverPanicsInTheBackground(t *testing.T) {
	for name, o := range map[string]backend.Observer{
		"StoreCall": {StoreCall: func(_ context.Context, op string, _ time.Duration, _ error) {
			if op != "acquire" {
				panic(op)
			}
		}},
		"Swept": {Swept: func(context.Context, lease.SweepResult, time.Duration, error) { panic("swept") }},
		"Withdrawn": {Withdrawn: func(context.Context, backend.WithdrawArgs, error) {
			panic("withdrawn")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			manage(t, &backend.Options{Observer: &o}, func(t *testing.T, s *script, m lease.Manager) {
				s.acquire = answers(outcome(backend.Queued))
				s.config.SweepInterval = time.Minute
				require.NotPanics(t, func() { s.mustLearn(t, m, name) })
				time.Sleep(10 * time.Minute)
				s.mu.Lock()
				require.GreaterOrEqual(t, len(s.sweeps), 8, "it goes on sweeping")
				s.mu.Unlock()

				for range 40 { // more than are withdrawn at a time
					ctx, cancel := context.WithCancel(t.Context())
					done := make(chan error, 1)
					go func() {
						_, err := m.Acquire(ctx, request())
						done <- err
					}()
					synctest.Wait()
					cancel()
					require.ErrorIs(t, <-done, context.Canceled)
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				require.Len(t, s.withdrawn, 40)
			})
		})
	}
}

// mustLearn has the engine read the configuration in a call whose Observer may
// panic.
func (s *script) mustLearn(t *testing.T, m lease.Manager, observer string) {
	t.Helper()
	if observer == "StoreCall" {
		defer func() { require.Equal(t, "config", recover()) }()
	}
	_, err := m.Config(t.Context())
	require.NoError(t, err)
}

// The caller of Sweep has the panic of its own Observer.
func TestObserverPanicsInACall(t *testing.T) {
	o := &backend.Observer{Swept: func(context.Context, lease.SweepResult, time.Duration, error) { panic("swept") }}
	manage(t, &backend.Options{Observer: o}, func(t *testing.T, _ *script, m lease.Manager) {
		require.PanicsWithValue(t, "swept", func() { _, _ = m.Sweep(t.Context()) })
	})
}
