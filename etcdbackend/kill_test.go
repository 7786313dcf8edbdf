package etcdbackend

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/lease"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "5") // most of them wait; the command line may say otherwise
	proctest.Main(m, proctest.Roles{"worker": worker, "waiter": waiter, "callers": callers, "crowd": crowd})
}

func crowd(host string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), "etcd://"+host, &Options{SessionTTL: 2 * time.Second, MaxSkew: OneClock})
	if err != nil {
		return err
	}
	return proctest.Crowd(m, orders)
}

// TestCrashingWaiter: the session of a process that has crashed ends, so its waiters are passed.
func TestCrashingWaiter(t *testing.T) {
	t.Parallel()
	host := single(t)
	m, err := Open(t.Context(), "etcd://"+host, &Options{MaxSkew: OneClock})
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Close() })
	proctest.TestCrashes(t, m, func() {
		child := proctest.Start(t, "crowd", host)
		child.Expect("in line")
		child.Kill()
	})
}

// worker takes and gives back paths until it is killed.
func worker(host string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), "etcd://"+host, &Options{SessionTTL: 2 * time.Second, MaxSkew: OneClock})
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				l, err := m.Acquire(context.Background(), lease.Request{
					Holder: lease.NewHolder("worker"), Claims: lease.Paths(fmt.Sprint("work/", (w+i)%3)), TTL: time.Second, Timeout: lease.NoTimeout,
				})
				if err == nil && i == 0 {
					proctest.Say("works")
				}
				if err == nil {
					_ = m.Release(context.Background(), l.Ref())
				}
			}
		})
	}
	all.Wait()
	return orders.Err()
}

// waiter waits in line ten times, until it is killed.
func waiter(host string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), "etcd://"+host, &Options{SessionTTL: 2 * time.Second})
	if err != nil {
		return err
	}
	for range 10 {
		go func() {
			_, err := m.Acquire(context.Background(), lease.Request{
				Holder: lease.NewHolder("waiter"), Claims: lease.Paths("hot"), TTL: time.Minute, Timeout: lease.NoTimeout,
			})
			proctest.Say("error: granted", err)
		}()
	}
	for orders.Scan() {
		continue
	}
	return orders.Err()
}

// TestKilledWorkers: processes are killed in the middle of anything, 40 times.
// What they had is free after its TTL, and state and history agree.
func TestKilledWorkers(t *testing.T) {
	t.Parallel()
	host := single(t)
	for range 10 {
		var children []*proctest.Process
		for range 4 {
			children = append(children, proctest.Start(t, "worker", host))
		}
		for _, c := range children {
			require.Equal(t, "works", c.Answer())
		}
		for _, c := range children {
			c.Kill()
		}
	}
	m, err := New(t.Context(), connect(t, host), &Options{MaxSkew: OneClock})
	require.NoError(t, err)
	defer m.Close()
	for i := range 3 {
		r := request("after", fmt.Sprint("work/", i))
		r.Timeout = time.Minute
		_, err := m.Acquire(t.Context(), r)
		require.NoError(t, err)
	}
	conformance.Check(t, m)
}

// TestKilledWaiters: who waits behind ten waiters of a process that was killed is
// granted the path once the etcd lease of that process has ended.
func TestKilledWaiters(t *testing.T) {
	t.Parallel()
	host := single(t)
	m, err := New(t.Context(), connect(t, host), nil)
	require.NoError(t, err)
	defer m.Close()
	config, err := m.Config(t.Context())
	require.NoError(t, err)
	config.WaiterTTL = time.Minute // it is not what ends the places
	_, err = m.SetConfig(t.Context(), config)
	require.NoError(t, err)
	l, err := m.TryAcquire(t.Context(), request("a", "hot"))
	require.NoError(t, err)
	dead := proctest.Start(t, "waiter", host)
	require.Eventually(t, func() bool {
		stats, err := m.Stats(t.Context())
		return err == nil && stats.Pending == 10
	}, time.Minute, 10*time.Millisecond)
	dead.Kill()
	granted := make(chan error, 1)
	go func() {
		r := request("last", "hot")
		r.Timeout = 2 * time.Minute
		_, err := m.Acquire(t.Context(), r)
		granted <- err
	}()
	begin := time.Now()
	require.NoError(t, m.Release(t.Context(), l.Ref()))
	require.NoError(t, <-granted)
	require.Less(t, time.Since(begin), 15*time.Second, "long before the places lapse, or the waiter asks by itself")
	t.Logf("granted %v after the release", time.Since(begin))
	conformance.Check(t, m)
}
