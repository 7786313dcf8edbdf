package redisbackend_test

import (
	"bufio"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

func init() {
	roles["occupy"] = occupy
	roles["linger"] = linger
}

// occupy is a process that holds a path or waits for it, until it is killed. Each order is "hold" or "wait", and the path.
func occupy(m lease.Manager, orders *bufio.Scanner) error {
	fmt.Println("ready")
	for orders.Scan() {
		var what, path string
		if _, err := fmt.Sscan(orders.Text(), &what, &path); err != nil {
			return err
		}
		r := lease.Request{Holder: lease.NewHolder("occupant"), Claims: lease.Paths(path), TTL: time.Second, Timeout: lease.NoTimeout}
		if what == "wait" {
			go func() {
				_, err := m.Acquire(context.Background(), r)
				fmt.Println("granted", err)
			}()
			continue
		}
		return lease.Do(context.Background(), m, r, func(context.Context, lease.Lease) error {
			fmt.Println("held")
			select {} // a renewed lease, until the end of the process
		})
	}
	return orders.Err()
}

// TestKilledClients: processes die by SIGKILL, one that holds and renews a lease and one with ten waiters, so that nobody
// gives anything back or wakes anybody. Who waits behind them is granted the path within the TTL and the time for which a
// place outlives its owner: once, not ten times.
func TestKilledClients(t *testing.T) {
	t.Parallel()
	const ttl, placeTTL, waiters = time.Second, 2 * time.Second, 10
	server := redistest.Single(t)
	m := manage(t, server.Client(), nil)
	config, err := m.Config(t.Context())
	require.NoError(t, err)
	config.WaiterTTL = placeTTL
	_, err = m.SetConfig(t.Context(), config)
	require.NoError(t, err)

	holder, crowd := startChild(t, "occupy", server.Addr()), startChild(t, "occupy", server.Addr())
	holder.expect("ready")
	crowd.expect("ready")
	holder.order("hold hot")
	holder.expect("held")
	for range waiters {
		crowd.order("wait hot")
	}
	pending := func(n int) func() bool {
		return func() bool {
			stats, err := m.Stats(t.Context())
			return err == nil && stats.Pending == n
		}
	}
	require.Eventually(t, pending(waiters), 10*time.Second, 10*time.Millisecond)
	granted := make(chan error, 1)
	go func() {
		r := request("last", "hot")
		r.Timeout = time.Minute
		_, err := m.Acquire(t.Context(), r)
		granted <- err
	}()
	require.Eventually(t, pending(waiters+1), 10*time.Second, 10*time.Millisecond)

	require.NoError(t, holder.command.Process.Kill())
	require.NoError(t, crowd.command.Process.Kill())
	killed := time.Now()
	require.NoError(t, <-granted)
	const slack = 3 * time.Second // of a busy machine
	require.Less(t, time.Since(killed), ttl+placeTTL+slack)
	for _, l := range leasesOf(t, m) {
		require.Equal(t, "last", l.Holder, "nothing else is left behind")
	}
}

func leasesOf(t *testing.T, m lease.Manager) (all []lease.Lease) {
	t.Helper()
	for l, err := range m.List(t.Context(), lease.Query{}) {
		require.NoError(t, err)
		all = append(all, l)
	}
	return all
}

// linger is a process that waits for a path in vain, for as long as its order says.
func linger(m lease.Manager, orders *bufio.Scanner) error {
	fmt.Println("ready")
	orders.Scan()
	wait, err := time.ParseDuration(orders.Text())
	if err != nil {
		return err
	}
	r := request(lease.NewHolder("lingerer"), "hot")
	r.Timeout = wait
	_, err = m.Acquire(context.Background(), r)
	fmt.Println(err != nil)
	return nil
}

// TestWaiterIsIdle: to wait costs a process next to nothing: ten seconds more of it less than one percent of a processor.
func TestWaiterIsIdle(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	m := manage(t, server.Client(), nil)
	_, err := m.TryAcquire(t.Context(), request("holder", "hot"))
	require.NoError(t, err)
	used := map[time.Duration]time.Duration{}
	children := map[time.Duration]*child{}
	for _, wait := range []time.Duration{time.Second, 11 * time.Second} {
		c := startChild(t, "linger", server.Addr())
		c.expect("ready")
		c.order(wait.String())
		children[wait] = c
	}
	for wait, c := range children {
		c.expect("true")
		c.finish()
		used[wait] = c.command.ProcessState.UserTime() + c.command.ProcessState.SystemTime()
	}
	const bound = 150 * time.Millisecond // half as much again, for the race detector
	t.Logf("%v for 10 s", used[11*time.Second]-used[time.Second])
	require.Less(t, used[11*time.Second]-used[time.Second], bound)
}

// TestSlowLink: with replies that are 300 ms late a waiting call succeeds all the same, and what it is told it holds is
// counted from before the call.
func TestSlowLink(t *testing.T) {
	t.Parallel()
	const delay = 300 * time.Millisecond
	server := redistest.Single(t)
	direct := manage(t, server.Client(), nil)
	proxy := redistest.NewProxy(t, server.Addr())
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	far := manage(t, client, nil)
	proxy.Delay(delay)

	held, err := direct.TryAcquire(t.Context(), request("near", "hot"))
	require.NoError(t, err)
	time.AfterFunc(time.Second, func() { _ = direct.Release(context.Background(), held.Ref()) })
	r := request("far", "hot")
	r.Timeout = 5 * time.Second
	l, err := far.Acquire(t.Context(), r)
	require.NoError(t, err)
	require.True(t, l.Valid())
	require.LessOrEqual(t, l.Remaining(), l.TTL-delay)
	start := time.Now()
	l, err = far.Renew(t.Context(), l.Ref(), 0)
	require.NoError(t, err)
	require.LessOrEqual(t, l.Remaining(), l.TTL-time.Since(start)+resolution)
	require.NoError(t, far.Release(t.Context(), l.Ref()))
	_, err = direct.TryAcquire(t.Context(), request("near", "hot"))
	require.NoError(t, err)
}

// resolution is that of the store's clock.
const resolution = 2 * time.Millisecond
