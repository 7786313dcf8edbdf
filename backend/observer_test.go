package backend_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// recording returns an observer that notes what it is told, every field set.
func recording(prefix string, notes *[]string) *backend.Observer {
	note := func(format string, args ...any) { *notes = append(*notes, prefix+fmt.Sprintf(format, args...)) }
	return &backend.Observer{
		Granted:   func(l lease.Lease, took time.Duration) { note("granted %s %v", l.Holder, took) },
		Refused:   func(r lease.Request, took time.Duration, _ error) { note("refused %s %v", r.Holder, took) },
		Queued:    func(_ lease.ID, position int) { note("queued %d", position) },
		Woken:     func(_ lease.ID, why backend.Wakeup) { note("woken %s", why) },
		Renewed:   func(l lease.Lease) { note("renewed %s", l.ID) },
		Released:  func(ref lease.Ref) { note("released %s", ref.ID) },
		Lost:      func(err *lease.LostError) { note("lost %s", err.Op) },
		Withdrawn: func(args backend.WithdrawArgs, _ error) { note("withdrawn %s", args.Why) },
		Swept:     func(lease.SweepResult) { note("swept") },
		StoreCall: func(op string, took time.Duration, err error) { note("store %s %v %v", op, took, err) },
	}
}

// exercise makes the engine report everything once.
func exercise(t *testing.T, s *script, m lease.Manager) {
	ctx := t.Context()
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
}

func TestObserver(t *testing.T) {
	var notes []string
	manage(t, &backend.Options{Observer: recording("", &notes)}, func(t *testing.T, s *script, m lease.Manager) {
		exercise(t, s, m)
		require.Equal(t, []string{
			"store config 0s <nil>",
			"store acquire 0s <nil>", "queued 1", "woken hint", "store acquire 1s <nil>", "granted h 1s",
			"store acquire 0s connection refused", "store withdraw 0s <nil>", "withdrawn cancelled", "refused h 0s",
			"store renew 0s <nil>", "renewed i",
			"store release 0s <nil>", "released i",
			"store release 0s <nil>", "lost release",
			"store sweep 0s <nil>", "swept",
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
	require.Len(t, notes, 36)
	for i := 0; i < len(notes); i += 2 {
		require.Equal(t, "1 "+notes[i+1][2:], notes[i])
	}
}
