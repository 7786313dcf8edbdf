package backend_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// withdrawing counts withdrawals, which take a while, and fail as long as down
// is set.
type withdrawing struct {
	mu                         sync.Mutex
	calls, underWay, most, got int
	down                       bool
}

func (w *withdrawing) withdraw(ctx context.Context, _ backend.WithdrawArgs) (backend.WithdrawReply, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	w.underWay++
	w.most = max(w.most, w.underWay)
	w.mu.Unlock()
	select {
	case <-time.After(time.Millisecond):
	case <-ctx.Done():
	}
	w.mu.Lock()
	w.underWay--
	if w.down {
		return backend.WithdrawReply{}, errDown
	}
	w.got++
	return backend.WithdrawReply{}, nil
}

func (w *withdrawing) repair() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

func down(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) { return failing(a) }

// fails makes n tries at once whose outcome stays unknown.
func fails(t *testing.T, m lease.Manager, n int) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			r := request()
			r.Holder = fmt.Sprint("h", i)
			if _, err := m.TryAcquire(t.Context(), r); err == nil {
				t.Error("granted")
			}
		})
	}
	all.Wait()
}

func TestOutageIsNoStormOfWithdrawals(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		const tries = 2000
		w := &withdrawing{down: true}
		s.acquire, s.withdraw = down, w.withdraw
		fails(t, m, tries/2)
		took := elapsed()
		fails(t, m, tries/2)
		require.Less(t, took(), 50*time.Millisecond, "nobody waits for what is known to fail")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, 16, w.most)
		require.Less(t, w.calls, 16*20)

		w.repair()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, tries, w.got, "all of them, once the store is back")
	})
}

func TestManyWithdrawalsAreWaitedFor(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		w := &withdrawing{}
		s.acquire, s.withdraw = down, w.withdraw
		fails(t, m, 500)
		require.Equal(t, 500, w.got, "the paths are free when the calls have returned")
		require.Equal(t, 16, w.most)
	})
}

func TestCloseTriesEachWithdrawalOnceMore(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		w := &withdrawing{down: true}
		s.acquire, s.withdraw = down, w.withdraw
		fails(t, m, 200)
		w.repair()
		took := elapsed()
		require.NoError(t, m.Close())
		require.Less(t, took(), 100*time.Millisecond)
		require.Equal(t, 200, w.got)
	})
}
