package backend_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// logged runs f with a Manager whose observer logs at the level, and returns
// each line as "LEVEL text", and all of the output.
func logged(t *testing.T, level slog.Level, f func(t *testing.T, s *script, m lease.Manager)) ([]string, string) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level}))
	manage(t, &backend.Options{Observer: backend.LogObserver(log)}, f)
	var lines []string
	for text := range strings.Lines(out.String()) {
		var line struct{ Level, Msg string }
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		lines = append(lines, line.Level+" "+line.Msg)
	}
	return lines, out.String()
}

func TestLogObserver(t *testing.T) {
	lines, all := logged(t, slog.LevelInfo, exercise)
	require.Equal(t, []string{
		"WARN store is slow", "ERROR store failed",
		"WARN lease lost",
		"WARN lease ended by force", "WARN lease ended by force",
		"INFO configuration changed",
	}, lines)
	require.Contains(t, all, `"id":"i","holder":"h","operation":"release","outcome":"expired"`)
	require.Contains(t, all, `"actor":"ops"`)

	lines, all = logged(t, slog.LevelDebug, exercise)
	for _, want := range []string{
		"DEBUG store called", "DEBUG waiting in line", "DEBUG asking again", "DEBUG lease granted",
		"DEBUG attempt withdrawn", "DEBUG lease refused", "DEBUG lease renewed", "DEBUG lease not renewed",
		"DEBUG lease released", "DEBUG nothing to clean up",
	} {
		require.Contains(t, lines, want)
	}
	require.Contains(t, all, `"blocker":"other"`)
}

func TestLogObserverSaysWhyItWasRefused(t *testing.T) {
	lines, all := logged(t, slog.LevelInfo, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing)
		_, err := m.Acquire(t.Context(), request())
		require.ErrorIs(t, err, lease.ErrTimeout)
		s.acquire = answers(func(backend.AcquireArgs) (backend.AcquireReply, error) {
			return backend.AcquireReply{Outcome: backend.Deadlocked, Cycle: []string{"h", "other"}}, nil
		}, func(backend.AcquireArgs) (backend.AcquireReply, error) {
			return backend.AcquireReply{Outcome: backend.OverQuota}, nil
		}, queueing, granting)
		for range 2 {
			_, err = m.Acquire(t.Context(), request())
			require.Error(t, err)
		}
		time.AfterFunc(15*time.Second, func() { s.hint <- struct{}{} })
		s.change(func(c *lease.Config) { c.WaiterTTL, c.AutoSweep = 10*time.Minute, false })
		_, err = m.Acquire(t.Context(), request())
		require.NoError(t, err)
	})
	require.Equal(t, []string{
		"WARN lease refused", "WARN lease refused", "WARN lease refused",
		"INFO lease granted after a long wait",
	}, lines)
	for _, want := range []string{`"outcome":"timeout"`, `"outcome":"deadlock"`, `"outcome":"quota"`} {
		require.Contains(t, all, want)
	}
}

// A store that is down is one line in ten seconds, whatever the load.
func TestLogObserverSpeaksSeldomOfAStoreThatIsDown(t *testing.T) {
	lines, all := logged(t, slog.LevelInfo, func(t *testing.T, s *script, m lease.Manager) {
		s.withdraw = func(context.Context, backend.WithdrawArgs) (backend.WithdrawReply, error) {
			return backend.WithdrawReply{}, nil
		}
		s.acquire = answers(failing)
		for range 35 { // seconds
			for range 10 {
				_, err := m.TryAcquire(t.Context(), request())
				require.Error(t, err)
			}
			time.Sleep(time.Second)
		}
		s.acquire = answers(granting)
		for range 3 {
			_, err := m.TryAcquire(t.Context(), request())
			require.NoError(t, err)
			time.Sleep(2 * time.Second)
		}
	})
	failed := 0
	for _, line := range lines {
		if line == "ERROR store failed" {
			failed++
		}
	}
	require.Equal(t, 4, failed, lines)
	require.Contains(t, all, `"calls":100`)
	require.Equal(t, "INFO store answers again", lines[len(lines)-1])
}

func TestLogObserverNeverLogsATokenOrALabel(t *testing.T) {
	const token, label = 987654321987, "hush-hush"
	_, all := logged(t, slog.LevelDebug, func(t *testing.T, s *script, m lease.Manager) {
		l := lease.Lease{
			ID: "i", Holder: "h", Token: token, TTL: time.Hour, Status: lease.Active,
			Claims: lease.Paths(strings.Repeat("é", 1000)), Labels: map[string]string{"prompt": label},
		}
		r := request()
		r.Labels = l.Labels
		reply := backend.AcquireReply{Lease: l, Remaining: time.Hour}
		s.acquire = answers(queueing, func(backend.AcquireArgs) (backend.AcquireReply, error) { return reply, nil }, failing)
		s.hint <- struct{}{}
		_, err := m.Acquire(t.Context(), r)
		require.NoError(t, err)
		_, err = m.TryAcquire(t.Context(), r)
		require.Error(t, err)
		s.renew = func(context.Context, backend.RenewArgs) (backend.RenewReply, error) {
			return backend.RenewReply{Lease: l, Remaining: time.Hour}, nil
		}
		_, err = m.Renew(t.Context(), l.Ref(), 0)
		require.NoError(t, err)
		s.renew = func(context.Context, backend.RenewArgs) (backend.RenewReply, error) {
			return backend.RenewReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrReplaced, Successor: "j"}}, nil
		}
		_, err = m.Renew(t.Context(), l.Ref(), 0)
		require.Error(t, err)
		for _, outcome := range []backend.Outcome{backend.Done, backend.Gone} {
			s.release = func(context.Context, backend.ReleaseArgs) (backend.ReleaseReply, error) {
				return backend.ReleaseReply{Outcome: outcome, End: backend.End{Err: lease.ErrNotHolder}}, nil
			}
			_ = m.Release(t.Context(), l.Ref())
		}
		s.force = func(backend.ForceArgs) (backend.ForceReply, error) {
			return backend.ForceReply{Leases: []lease.Lease{l}}, nil
		}
		_, err = m.ForceRelease(t.Context(), lease.Query{All: true}, lease.Revocation{Actor: "ops"})
		require.NoError(t, err)
	})
	require.NotContains(t, all, "987654321987")
	require.NotContains(t, all, label)
	require.NotContains(t, all, strings.Repeat("é", 101))
	require.Contains(t, all, strings.Repeat("é", 100)+"...")
}

// What is not logged costs no allocation.
func TestLogObserverOffAllocatesNothing(t *testing.T) {
	o := backend.LogObserver(slog.New(slog.DiscardHandler))
	l := lease.Lease{ID: "i", Holder: "h", Claims: lease.Paths("a")}
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		o.Granted(ctx, l, 0)
		o.Renewed(ctx, l, 0)
		o.Released(ctx, l.Ref(), 0)
		o.StoreCall(ctx, "acquire", time.Millisecond, nil)
	}))
}

func TestLogObserverWithoutALogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.NotPanics(t, func() { backend.LogObserver(nil).Renewed(t.Context(), lease.Lease{}, 0) })
	})
}
