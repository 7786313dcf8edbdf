package sqlitebackend

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/lease"
)

func init() {
	roles["wait in line"] = waitInLine
	roles["crowd"] = crowdForTest
}

// waitInLine is a process that waits for the path "hot" with so many calls of a
// TTL, and says so once enough of them have a place.
func waitInLine(path string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), path, &Options{Synchronous: Normal})
	if err != nil {
		return err
	}
	orders.Scan()
	var calls, enough int
	var text string
	if _, err := fmt.Sscan(orders.Text(), &calls, &enough, &text); err != nil {
		return err
	}
	ttl, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	for i := range calls {
		go func() {
			holder := fmt.Sprintf("%d/%d", os.Getpid(), i)
			l, err := m.Acquire(context.Background(), lease.Request{Holder: holder, Claims: lease.Paths("hot"), TTL: ttl, Timeout: lease.NoTimeout})
			if err == nil {
				_ = m.Release(context.Background(), l.Ref())
			}
		}()
	}
	for {
		waiting := 0
		for _, err := range m.List(context.Background(), lease.Query{Status: []lease.Status{lease.Pending}}) {
			if err != nil {
				return err
			}
			waiting++
		}
		if waiting >= enough {
			break
		}
	}
	proctest.Say("in line")
	orders.Scan()
	return nil
}

// Waiters whose process was killed are passed at once, not after their TTL.
func TestDeadWaitersArePassedAtOnce(t *testing.T) {
	path := newPath(t)
	m := mustManager(t, path, &quick)
	held, err := m.TryAcquire(t.Context(), lease.Request{Holder: "first", Claims: lease.Paths("hot"), TTL: time.Hour})
	require.NoError(t, err)
	children := []*proctest.Process{proctest.Start(t, "wait in line", path), proctest.Start(t, "wait in line", path)}
	for _, child := range children {
		child.Order("5 5 1h")
		child.Expect("in line")
	}
	result := make(chan error, 1)
	queued := make(chan struct{})
	go func() {
		close(queued)
		_, err := m.Acquire(context.Background(), lease.Request{Holder: "last", Claims: lease.Paths("hot"), TTL: time.Hour})
		result <- err
	}()
	<-queued
	for _, child := range children {
		child.Kill()
	}
	require.Eventually(t, func() bool {
		stats, err := m.Stats(t.Context())
		return err == nil && stats.Pending > 0
	}, 5*time.Second, time.Millisecond)
	start := time.Now()
	require.NoError(t, m.Release(t.Context(), held.Ref()))
	require.NoError(t, <-result)
	took := time.Since(start)
	t.Logf("passed after %v", took)
	require.Less(t, took, 2*time.Second, "a place lasts 10 s")
	lapsed := 0
	for e, err := range m.History(t.Context(), lease.Query{All: true, Kinds: []lease.Kind{lease.KindLapsed}}) {
		require.NoError(t, err)
		require.Equal(t, lease.Failed, e.Lease.Status)
		lapsed++
	}
	require.NotZero(t, lapsed)
}

// Of handles that have waited and are gone nothing stays in the file once somebody
// waits.
func TestGoneClientsAreForgotten(t *testing.T) {
	path := newPath(t)
	s, err := OpenStore(t.Context(), path, &quick)
	require.NoError(t, err)
	m := backend.New(s, nil)
	defer m.Close()
	for range 5 {
		other, err := OpenStore(t.Context(), path, &quick)
		require.NoError(t, err)
		name := other.client.Name()
		require.NoError(t, other.Close())
		tamper(t, path, fmt.Sprintf(`INSERT INTO lease_clients (namespace, client) VALUES (%d, '%s')`, s.namespace, name))
	}
	_, err = m.TryAcquire(t.Context(), lease.Request{Holder: "a", Claims: lease.Paths("hot"), TTL: time.Hour})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := m.Acquire(ctx, lease.Request{Holder: "b", Claims: lease.Paths("hot")})
		done <- err
	}()
	require.Eventually(t, func() bool {
		clients, err := column[string](t.Context(), s, `SELECT client FROM lease_clients WHERE namespace = ?`, s.namespace)
		return err == nil && len(clients) == 1 && clients[0] == s.client.Name()
	}, 5*time.Second, 10*time.Millisecond)
	cancel()
	require.Error(t, <-done)
}

// crowdForTest is a process that waits for the path "hot" and does not mean to end.
func crowdForTest(path string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), path, &quick)
	if err != nil {
		return err
	}
	return proctest.Crowd(m, orders)
}

// crash starts one, and kills it.
func crash(t testing.TB, path string) {
	t.Helper()
	child := proctest.Start(t, "crowd", path)
	child.Expect("in line")
	child.Kill()
}

// A process that has crashed has let go of its lock, so its waiters are passed.
func TestCrashingWaiter(t *testing.T) {
	path := newPath(t)
	proctest.TestCrashes(t, mustManager(t, path, &quick), func() { crash(t, path) })
}

func BenchmarkCrashingWaiter(b *testing.B) {
	path := newPath(b)
	proctest.BenchmarkCrashes(b, mustManager(b, path, &quick), func() { crash(b, path) })
}
