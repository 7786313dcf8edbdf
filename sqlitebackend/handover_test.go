package sqlitebackend

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"

	"github.com/leasekit/leasekit/internal/proctest"
)

func init() {
	roles["hand"] = handForTest
}

// handForTest is a process that takes the path "hot" and hands it over:
// "acquire" takes it, "release" answers the wall clock just before it lets go,
// "queue N" puts N waiters in line and says so.
func handForTest(path string, orders *bufio.Scanner) error {
	ctx := context.Background()
	queued := make(chan struct{})
	m, err := Open(ctx, path, &Options{Engine: &backend.Options{Observer: &backend.Observer{
		Queued: func(context.Context, *lease.ConflictError) { queued <- struct{}{} },
	}}})
	if err != nil {
		return err
	}
	proctest.Say("ready")
	var held lease.Lease
	for orders.Scan() {
		order, n := "", 0
		if _, err := fmt.Sscan(orders.Text()+" 0", &order, &n); err != nil {
			return err
		}
		switch order {
		case "acquire":
			if held, err = m.TryAcquire(ctx, hot("child")); err != nil {
				return err
			}
			proctest.Say("done")
		case "release":
			proctest.Say(time.Now().UnixNano())
			if err := m.Release(ctx, held.Ref()); err != nil {
				return err
			}
		case "queue":
			for i := range n {
				go func() { _, _ = m.Acquire(ctx, hot(fmt.Sprintf("%d/%d", os.Getpid(), i))) }()
				<-queued
			}
			proctest.Say("done")
		}
	}
	return m.Close()
}

func hot(holder string) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths("hot"), TTL: time.Hour, Timeout: lease.NoTimeout}
}

// queueing opens a manager that says when a call of its has a place in line.
func queueing(t testing.TB, path string) (lease.Manager, <-chan struct{}) {
	queued := make(chan struct{}, 1)
	return mustManager(t, path, &Options{Engine: &backend.Options{Observer: &backend.Observer{
		Queued: func(context.Context, *lease.ConflictError) { queued <- struct{}{} },
	}}}), queued
}

// A waiter gets the path from another process within milliseconds.
func TestHandOverBetweenProcesses(t *testing.T) {
	path := newPath(t)
	m, queued := queueing(t, path)
	child := proctest.Start(t, "hand", path)
	child.Expect("ready")
	best := time.Hour
	for range 10 { // the machine may be busy with something else
		var took []time.Duration
		for range 50 {
			took = append(took, handOver(t, m, queued, child))
		}
		slices.Sort(took)
		t.Logf("p50 %v, p90 %v, longest %v", took[25], took[45], took[49])
		if best = min(best, took[25]); best < 20*time.Millisecond {
			break
		}
	}
	child.Finish()
	require.Less(t, best, 20*time.Millisecond, "about 2 ms where nothing else runs")
}

// handOver lets the child hand the path to m, and returns how long that took.
func handOver(t testing.TB, m lease.Manager, queued <-chan struct{}, child *proctest.Process) time.Duration {
	t.Helper()
	child.Tell("acquire")
	type grant struct {
		lease lease.Lease
		at    time.Time
		err   error
	}
	granted := make(chan grant, 1)
	go func() {
		l, err := m.Acquire(t.Context(), hot("parent"))
		granted <- grant{l, time.Now(), err}
	}()
	<-queued
	child.Order("release")
	released, err := strconv.ParseInt(child.Answer(), 10, 64)
	require.NoError(t, err)
	g := <-granted
	require.NoError(t, g.err)
	require.NoError(t, m.Release(t.Context(), g.lease.Ref()))
	return g.at.Sub(time.Unix(0, released))
}

// Ten waiters of killed processes hold up the eleventh for one place's time, not
// for ten.
func TestDeadWaitersAreSkippedTogether(t *testing.T) {
	const placeTTL = 2 * time.Second
	path := newPath(t)
	m, queued := queueing(t, path)
	config, err := m.Config(t.Context())
	require.NoError(t, err)
	config.WaiterTTL = placeTTL
	_, err = m.SetConfig(t.Context(), config)
	require.NoError(t, err)
	held, err := m.TryAcquire(t.Context(), hot("holder"))
	require.NoError(t, err)

	children := startAll(t, 2, "hand", path)
	for _, child := range children {
		child.Tell("queue 5")
	}
	granted := make(chan error, 1)
	go func() {
		_, err := m.Acquire(t.Context(), hot("eleventh"))
		granted <- err
	}()
	<-queued
	stats, err := m.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 11, stats.Pending)
	for _, child := range children {
		child.Kill()
	}
	killed := time.Now()
	require.NoError(t, m.Release(t.Context(), held.Ref()))
	require.NoError(t, <-granted)
	took := time.Since(killed)
	t.Logf("after %v", took.Round(time.Millisecond))
	require.Less(t, took, 2*placeTTL, "one place's time, and some for a busy machine")
}
