package redisbackend_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

func init() { roles["crowd"] = proctest.Crowd }

// crash starts a process that waits, and kills it.
func crash(t testing.TB, address string) {
	t.Helper()
	crasher := startChild(t, "crowd", address)
	crasher.expect("in line")
	require.NoError(t, crasher.command.Process.Kill())
}

// TestCrashingWaiter: nobody listens for a process that has crashed, so its waiters are passed.
func TestCrashingWaiter(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	proctest.TestCrashes(t, manage(t, server.Client(), nil), func() { crash(t, server.Addr()) })
}

func BenchmarkCrashingWaiter(b *testing.B) {
	server := redistest.Single(b)
	proctest.BenchmarkCrashes(b, manage(b, server.Client(), nil), func() { crash(b, server.Addr()) })
}

// TestToldWhileItDied: what a waiter's process was told over a link that the server still counted, and that then ended, is
// noticed by the one that told it. So who stands behind does not wait until the place lapses.
func TestToldWhileItDied(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	direct := manage(t, server.Client(), nil)
	config, err := direct.Config(t.Context())
	require.NoError(t, err)
	config.WaiterTTL = time.Hour
	_, err = direct.SetConfig(t.Context(), config)
	require.NoError(t, err)
	dying, proxy := behindProxy(t, server, func(*redis.Options) {})
	first, err := direct.Acquire(t.Context(), request("first", "hot"))
	require.NoError(t, err)
	var waiters sync.WaitGroup
	defer waiters.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait := func(m lease.Manager, holder string, n int) chan error {
		done := make(chan error, 1)
		waiters.Go(func() {
			r := request(holder, "hot")
			r.TTL = 100 * time.Millisecond // should an ask that was under way get it
			_, err := m.Acquire(ctx, r)
			done <- err
		})
		require.Eventually(t, func() bool {
			stats, err := direct.Stats(t.Context())
			return err == nil && stats.Pending == n
		}, patience, 5*time.Millisecond)
		return done
	}
	wait(dying, "dying", 1)
	behind := wait(direct, "behind", 2)
	proxy.Stall()
	require.NoError(t, direct.Release(t.Context(), first.Ref()))
	proxy.Refuse()
	select {
	case err := <-behind:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("nobody looked again whether the other was told")
	}
}
