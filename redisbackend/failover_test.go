package redisbackend_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// A replica that is promoted may lack the newest writes. Then those who know better are refused, until an operator has
// acknowledged the loss; nobody else's lease is granted twice.
func TestSentinelMasterKilled(t *testing.T) {
	t.Parallel()
	servers := redistest.Sentinel(t)
	// Who was granted what the replica still has as a place in line is not its holder.
	all := start(t, []lease.Manager{manage(t, servers.Client(), nil), manage(t, servers.Client(), nil)},
		lease.ErrExpired, lease.ErrNotFound, lease.ErrNotHolder, lease.ErrRegressed)
	all.flows("before")
	servers.Master().Kill()
	all.flowsOnceAcknowledged("after the failover", func() error {
		return redisbackend.Acknowledge(t.Context(), servers.Client(), nil)
	})
	all.finish()
}

// With WaitReplicas, every replica that may be promoted has all that anybody was told of. The callers go on as soon as
// the new master has that many replicas again.
func TestSentinelMasterKilledWithWait(t *testing.T) {
	t.Parallel()
	servers := redistest.Sentinel(t)
	o := &redisbackend.Options{WaitReplicas: 2}
	all := start(t, []lease.Manager{manage(t, servers.Client(), o), manage(t, servers.Client(), o)}, lease.ErrExpired)
	all.flows("before")
	master := servers.Master()
	master.Kill()
	host, port, err := net.SplitHostPort(servers.Master().Addr())
	require.NoError(t, err)
	master.Restart(redistest.DropData)
	master.Do("REPLICAOF", host, port) // as the Sentinels would see to after some seconds
	all.flows("after the failover")
	require.Zero(t, all.finish())
}

// Those who wait through a failover are woken by the new master, long before they would ask again by themselves.
func TestSentinelWaitersWake(t *testing.T) {
	t.Parallel()
	servers := redistest.Sentinel(t)
	m, other := manage(t, servers.Client(), nil), manage(t, servers.Client(), nil)
	config, err := m.Config(t.Context())
	require.NoError(t, err)
	config.WaiterTTL = time.Hour
	_, err = m.SetConfig(t.Context(), config)
	require.NoError(t, err)

	const waiters = 5
	request := func(holder string) lease.Request {
		return lease.Request{Holder: holder, Claims: lease.Paths("f"), TTL: time.Hour, Timeout: lease.NoTimeout}
	}
	held, err := m.TryAcquire(t.Context(), request("first"))
	require.NoError(t, err)
	done := make(chan error, waiters)
	for range waiters {
		go func() {
			l, err := other.Acquire(t.Context(), request(lease.NewHolder("waiter")))
			if err == nil {
				err = other.Release(t.Context(), l.Ref())
			}
			done <- err
		}()
	}
	require.Eventually(t, func() bool {
		stats, err := m.Stats(t.Context())
		return err == nil && stats.Pending == waiters
	}, patience, 10*time.Millisecond)
	replicate(t, servers.Client(), 2)
	servers.Master().Kill()

	master := servers.Master()
	require.Eventually(t, func() bool {
		channels, _ := master.Do("PUBSUB", "CHANNELS", "leasekit:{default}:wake:*").([]any)
		return len(channels) == 1
	}, patience, 10*time.Millisecond)
	require.NoError(t, m.Release(t.Context(), held.Ref()))
	for range waiters {
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Fatal("a waiter was not woken")
		}
	}
}

// replicate waits until all that was written before is on so many replicas.
func replicate(t *testing.T, client *redis.Client, replicas int64) {
	t.Helper()
	var wait *redis.Cmd
	_, err := client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		pipe.Set(t.Context(), "leasekit-test", "", 0)
		wait = pipe.Do(t.Context(), "WAIT", replicas, patience.Milliseconds())
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, replicas, wait.Val())
}

// The Sentinels promote a replica that has not heard from the master for a while: who knows of a newer token is granted
// nothing, and told so, until an operator has acknowledged it.
func TestSentinelStaleReplica(t *testing.T) {
	t.Parallel()
	servers := redistest.Sentinel(t)
	client := servers.Client()
	m := manage(t, client, nil)
	request := func(path string) lease.Request {
		return lease.Request{Holder: lease.NewHolder("holder"), Claims: lease.Paths(path), TTL: time.Hour, Timeout: time.Second}
	}
	kept, err := m.TryAcquire(t.Context(), request("kept"))
	require.NoError(t, err)
	replicate(t, client, 2)

	master := servers.Master()
	master.Do("ACL", "SETUSER", "default", "-sync", "-psync") // the replicas cannot come back
	master.Do("CLIENT", "KILL", "TYPE", "replica")
	forgotten, err := m.TryAcquire(t.Context(), request("forgotten"))
	require.NoError(t, err)
	master.Kill() // soon enough: the Sentinels do not promote what has been cut off for five seconds
	servers.Master()

	acquire := func(call func(context.Context, lease.Request) (lease.Lease, error)) (l lease.Lease, err error) {
		require.Eventually(t, func() bool {
			l, err = call(t.Context(), request("forgotten"))
			return !errors.Is(err, lease.ErrUnavailable)
		}, patience, 10*time.Millisecond)
		return l, err
	}
	_, err = acquire(m.TryAcquire)
	require.ErrorIs(t, err, lease.ErrRegressed)
	_, err = acquire(m.Acquire)
	require.ErrorIs(t, err, lease.ErrRegressed)
	_, err = m.Renew(t.Context(), forgotten.Ref(), 0)
	require.ErrorIs(t, err, lease.ErrLost)
	_, err = m.Renew(t.Context(), kept.Ref(), 0)
	require.NoError(t, err, "what the replica has goes on")

	require.NoError(t, redisbackend.Acknowledge(t.Context(), client, nil))
	next, err := acquire(m.TryAcquire)
	require.NoError(t, err)
	require.Greater(t, next.Token, forgotten.Token)
}
