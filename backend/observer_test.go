package backend_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// caller marks the contexts that exercise calls with.
type caller struct{}

// recording returns an observer that notes what it is told, every field set.
func recording(prefix string, notes *[]string) *backend.Observer {
	note := func(ctx context.Context, format string, args ...any) {
		line := prefix + fmt.Sprintf(format, args...)
		if ctx.Value(caller{}) != true {
			line += " (not the caller's context)"
		}
		*notes = append(*notes, line)
	}
	return &backend.Observer{
		Granted: func(ctx context.Context, l lease.Lease, took time.Duration) {
			note(ctx, "granted %s %v", l.Holder, took)
		},
		Refused: func(ctx context.Context, r lease.Request, took time.Duration, err error) {
			note(ctx, "refused %s %v %s", r.Holder, took, backend.ErrorLabel(err))
		},
		Queued: func(ctx context.Context, c *lease.ConflictError) {
			note(ctx, "queued %d behind %d", c.Position, len(c.Blockers))
		},
		Woken: func(ctx context.Context, _ lease.ID, why backend.Wakeup) { note(ctx, "woken %s", why) },
		LeftQueue: func(ctx context.Context, r lease.Request, waited time.Duration, err error) {
			note(ctx, "left queue %s %v %s", r.Holder, waited, backend.ErrorLabel(err))
		},
		Renewed: func(ctx context.Context, l lease.Lease, took time.Duration) {
			note(ctx, "renewed %s %v", l.ID, took)
		},
		RenewFailed: func(ctx context.Context, ref lease.Ref, took time.Duration, err error) {
			note(ctx, "renew failed %s %v %s", ref.ID, took, backend.ErrorLabel(err))
		},
		Released: func(ctx context.Context, ref lease.Ref, took time.Duration) {
			note(ctx, "released %s %v", ref.ID, took)
		},
		ReleaseFailed: func(ctx context.Context, ref lease.Ref, took time.Duration, err error) {
			note(ctx, "release failed %s %v %s", ref.ID, took, backend.ErrorLabel(err))
		},
		Lost: func(ctx context.Context, err *lease.LostError) { note(ctx, "lost %s", err.Op) },
		Forced: func(ctx context.Context, f lease.Revocation, ended []lease.Lease, err error) {
			note(ctx, "forced by %s: %d, %s", f.Actor, len(ended), backend.ErrorLabel(err))
		},
		Withdrawn: func(ctx context.Context, args backend.WithdrawArgs, _ error) {
			note(ctx, "withdrawn %s", args.Why)
		},
		Swept: func(ctx context.Context, r lease.SweepResult, took time.Duration, err error) {
			note(ctx, "swept %d %v %v", r.Expired, took, err)
		},
		Configured: func(ctx context.Context, c lease.Config) { note(ctx, "configured %d", c.Version) },
		StoreCall: func(ctx context.Context, op string, took time.Duration, err error) {
			note(ctx, "store %s %v %v", op, took, err)
		},
	}
}

// exercise makes the engine report everything once.
func exercise(t *testing.T, s *script, m lease.Manager) {
	ctx := context.WithValue(t.Context(), caller{}, true)
	s.acquire = answers(queueing, func(a backend.AcquireArgs) (backend.AcquireReply, error) {
		time.Sleep(time.Second)
		return grant(a), nil
	}, failing)
	s.hint <- struct{}{}
	_, err := m.Acquire(ctx, request())
	require.NoError(t, err)
	_, err = m.TryAcquire(ctx, request())
	require.Error(t, err)
	s.renew = func(_ context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
		return backend.RenewReply{Lease: lease.Lease{ID: a.Ref.ID}}, nil
	}
	_, err = m.Renew(ctx, held, 0)
	require.NoError(t, err)
	s.renew = func(context.Context, backend.RenewArgs) (backend.RenewReply, error) {
		time.Sleep(time.Second)
		return backend.RenewReply{}, errDown
	}
	_, err = m.Renew(ctx, held, 0)
	require.Error(t, err)
	s.release = func(context.Context, backend.ReleaseArgs) (backend.ReleaseReply, error) {
		return backend.ReleaseReply{}, nil
	}
	require.NoError(t, m.Release(ctx, held))
	s.release = func(context.Context, backend.ReleaseArgs) (backend.ReleaseReply, error) {
		return backend.ReleaseReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrExpired}}, nil
	}
	require.ErrorIs(t, m.Release(ctx, held), lease.ErrLost)
	_, err = m.Sweep(ctx)
	require.NoError(t, err)
	s.force = func(backend.ForceArgs) (backend.ForceReply, error) {
		return backend.ForceReply{Leases: make([]lease.Lease, 2)}, nil
	}
	_, err = m.ForceRelease(ctx, lease.Query{Holder: "h"}, lease.Revocation{Actor: "ops"})
	require.NoError(t, err)
	c, err := m.Config(ctx)
	require.NoError(t, err)
	_, err = m.SetConfig(ctx, c)
	require.NoError(t, err)
}

func TestObserver(t *testing.T) {
	var notes []string
	manage(t, &backend.Options{Observer: recording("", &notes)}, func(t *testing.T, s *script, m lease.Manager) {
		exercise(t, s, m)
		require.Equal(t, []string{
			"store config 0s <nil>",
			"store acquire 0s <nil>", "queued 1 behind 1", "woken hint",
			"store acquire 1s <nil>", "left queue h 1s ok", "granted h 1s",
			"store acquire 0s connection refused", "store withdraw 0s <nil>", "withdrawn cancelled",
			"refused h 0s unavailable",
			"store renew 0s <nil>", "renewed i 0s",
			"store renew 1s connection refused", "renew failed i 1s unavailable",
			"store release 0s <nil>", "released i 0s",
			"store release 0s <nil>", "lost release", "release failed i 0s expired",
			"store sweep 0s <nil>", "swept 0 0s <nil>",
			"store force release 0s <nil>", "forced by ops: 2, ok",
			"store config 0s <nil>", "store set config 0s <nil>", "configured 2",
		}, notes)
	})
}

func TestObserverMayBeEmpty(t *testing.T) {
	for _, o := range []*backend.Options{nil, {}, {Observer: &backend.Observer{}}, {Observer: backend.Tee()}, {Observer: backend.Tee(nil, &backend.Observer{})}} {
		manage(t, o, exercise)
	}
}

func TestTeeTellsAllOfEverything(t *testing.T) {
	var notes []string
	tee := backend.Tee(recording("1 ", &notes), nil, recording("2 ", &notes), &backend.Observer{})
	v := reflect.ValueOf(*tee)
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsNil(), v.Type().Field(i).Name)
	}
	manage(t, &backend.Options{Observer: tee}, exercise)
	require.Len(t, notes, 54)
	for i := 0; i < len(notes); i += 2 {
		require.Equal(t, "1 "+notes[i+1][2:], notes[i])
	}
}

// Neither none, nor one whose functions keep
// nothing, costs a call an allocation.
func TestObserverAllocatesNothing(t *testing.T) {
	per := func(o *backend.Observer) float64 {
		m := memory.New(&memory.Options{Engine: &backend.Options{Observer: o}})
		defer func() { require.NoError(t, m.Close()) }()
		r := lease.Request{Holder: "h", Claims: lease.Paths("a")}
		return testing.AllocsPerRun(500, func() {
			l, err := m.TryAcquire(t.Context(), r)
			require.NoError(t, err)
			_, err = m.Renew(t.Context(), l.Ref(), 0)
			require.NoError(t, err)
			require.NoError(t, m.Release(t.Context(), l.Ref()))
		})
	}
	var calls int
	counting := &backend.Observer{
		Granted:   func(context.Context, lease.Lease, time.Duration) { calls++ },
		Renewed:   func(context.Context, lease.Lease, time.Duration) { calls++ },
		Released:  func(context.Context, lease.Ref, time.Duration) { calls++ },
		StoreCall: func(context.Context, string, time.Duration, error) { calls++ },
	}
	without, empty, with := per(nil), per(&backend.Observer{}), per(counting)
	require.NotZero(t, calls)
	require.InDelta(t, without, empty, 1) // a map may grow meanwhile
	require.InDelta(t, without, with, 1)
}

func TestErrorLabel(t *testing.T) {
	for want, err := range map[string]error{
		"ok":            nil,
		"conflict":      &lease.ConflictError{Op: "try acquire"},
		"deadlock":      &lease.ConflictError{Err: lease.ErrDeadlock},
		"timeout":       &lease.ConflictError{Err: lease.ErrTimeout},
		"cancelled":     &lease.ConflictError{Err: context.Canceled},
		"closed":        &lease.UnavailableError{Err: lease.ErrClosed},
		"expired":       &lease.LostError{Err: lease.ErrExpired},
		"revoked":       fmt.Errorf("keep: %w", &lease.LostError{Err: lease.ErrRevoked}),
		"quota":         &lease.QuotaError{},
		"renewal_limit": lease.ErrRenewalLimit,
		"unavailable":   &lease.UnavailableError{Err: errDown},
		"other":         errDown,
	} {
		require.Equal(t, want, backend.ErrorLabel(err))
		require.Contains(t, backend.ErrorLabels(), want)
	}
	require.Equal(t, "timeout", backend.ErrorLabel(&lease.UnavailableError{Err: context.DeadlineExceeded}))
	require.Len(t, backend.ErrorLabels(), 21)
}

func TestStoreOpsAreAll(t *testing.T) {
	var notes []string
	manage(t, &backend.Options{Observer: &backend.Observer{
		StoreCall: func(_ context.Context, op string, _ time.Duration, _ error) { notes = append(notes, op) },
	}}, func(t *testing.T, s *script, m lease.Manager) {
		exercise(t, s, m)
		s.stats = func() (lease.Stats, error) { return lease.Stats{Head: 1}, nil }
		s.list = func(lease.Query, string) (backend.ListReply, error) { return backend.ListReply{}, nil }
		s.events = func(context.Context, backend.EventsArgs) (backend.EventsReply, error) {
			return backend.EventsReply{}, nil
		}
		for _, err := range m.List(t.Context(), lease.Query{}) {
			t.Error("the list is empty", err)
		}
		for _, err := range m.History(t.Context(), lease.Query{}) {
			t.Error("the history is empty", err)
		}
	})
	slices.Sort(notes)
	require.ElementsMatch(t, backend.StoreOps(), slices.Compact(notes))
}
