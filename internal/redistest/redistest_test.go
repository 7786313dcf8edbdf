package redistest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/childproc"
)

func TestSingleKeepsOrLosesItsData(t *testing.T) {
	server := Single(t, "appendonly yes", "appendfsync always")
	client := server.Client()
	ctx := t.Context()

	require.NoError(t, client.Set(ctx, "a", "1", 0).Err())
	server.Kill()
	require.False(t, server.Running())
	server.Restart(KeepData)
	require.Equal(t, "1", client.Get(ctx, "a").Val(), "the append-only file survives SIGKILL")
	server.Restart(DropData)
	require.ErrorIs(t, client.Get(ctx, "a").Err(), redis.Nil)
	server.SetConfig("maxmemory", "100mb")
	require.Equal(t, "104857600", client.ConfigGet(ctx, "maxmemory").Val()["maxmemory"])
}

func TestSingleWithoutPersistenceKeepsDataOverAnOrderlyStop(t *testing.T) {
	server := Single(t)
	client := server.Client()
	require.NoError(t, client.Set(t.Context(), "a", "1", 0).Err())
	server.Restart(KeepData)
	require.Equal(t, "1", client.Get(t.Context(), "a").Val())
}

func TestClusterReplacesADeadMaster(t *testing.T) {
	t.Parallel()
	cluster := Cluster(t)
	client := cluster.Client()
	ctx := t.Context()
	for _, key := range []string{"a", "b", "c", "d"} {
		require.NoError(t, client.Set(ctx, key, key, 0).Err())
	}
	old := cluster.MasterOf("a")
	old.Kill()
	require.NoError(t, childproc.Poll(topologyTimeout, func() error {
		client.ReloadState(ctx) // go-redis itself asks once a minute, or when a node answers MOVED; a dead one does not
		return client.Set(ctx, "a", "2", 0).Err()
	}))
	require.NotEqual(t, old.Addr(), cluster.MasterOf("a").Addr())
}

func TestSentinelReplacesADeadMaster(t *testing.T) {
	t.Parallel()
	servers := Sentinel(t)
	client := servers.Client()
	ctx := t.Context()
	require.NoError(t, client.Set(ctx, "a", "1", 0).Err())
	old := servers.Master()
	require.Equal(t, servers.Data[0], old)
	old.Kill()
	require.NotEqual(t, old.Addr(), servers.Master().Addr())
	require.NoError(t, childproc.Poll(topologyTimeout, func() error { return client.Set(ctx, "a", "2", 0).Err() }))
}

func TestMiniRunsInVirtualTime(t *testing.T) {
	// Twice, as a pool of timers shared by the two bubbles would show in the second only.
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			client := Mini(t).Client()
			ctx := t.Context()
			require.NoError(t, client.Set(ctx, "a", "1", time.Hour).Err())
			time.Sleep(time.Hour - time.Millisecond)
			require.Equal(t, "1", client.Get(ctx, "a").Val())
			time.Sleep(time.Millisecond)
			require.ErrorIs(t, client.Get(ctx, "a").Err(), redis.Nil)
		})
	}
}

func proxied(t *testing.T) (*Proxy, *redis.Client, *Server) {
	server := Single(t)
	proxy := NewProxy(t, server.Addr())
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	require.NoError(t, client.Ping(t.Context()).Err())
	return proxy, client, server
}

func incrementWithin(t *testing.T, client *redis.Client, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return client.Incr(ctx, "n").Err()
}

func TestProxyStall(t *testing.T) {
	proxy, client, server := proxied(t)
	proxy.Stall()
	require.Error(t, incrementWithin(t, client, 50*time.Millisecond))
	require.Nil(t, server.Do("GET", "n"), "the request did not arrive")
	proxy.Resume()
	require.NoError(t, incrementWithin(t, client, 5*time.Second))
}

func TestProxyDropReplies(t *testing.T) {
	proxy, client, server := proxied(t)
	proxy.DropReplies()
	require.Error(t, incrementWithin(t, client, 100*time.Millisecond))
	require.Equal(t, "1", server.Do("GET", "n"), "the request arrived")
	proxy.Resume()
	require.NoError(t, incrementWithin(t, client, 5*time.Second))
	require.Equal(t, "2", server.Do("GET", "n"))
}

func TestProxyLoseReplyTo(t *testing.T) {
	proxy, client, server := proxied(t)
	proxy.LoseReplyTo("INCR", 1)
	require.NoError(t, client.Ping(t.Context()).Err(), "another command is left alone")
	require.Error(t, incrementWithin(t, client, 5*time.Second))
	require.Equal(t, "1", server.Do("GET", "n"))
	require.NoError(t, incrementWithin(t, client, 5*time.Second))
}

func TestProxyDelayCutAndRefuse(t *testing.T) {
	proxy, client, _ := proxied(t)
	proxy.Delay(50 * time.Millisecond)
	start := time.Now()
	require.NoError(t, incrementWithin(t, client, 5*time.Second))
	require.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
	proxy.Delay(0)
	proxy.Cut()
	require.NoError(t, incrementWithin(t, client, 5*time.Second), "a new connection is served")
	proxy.Refuse()
	require.Error(t, incrementWithin(t, client, time.Second))
	require.Error(t, incrementWithin(t, client, time.Second))
	proxy.Resume()
	require.NoError(t, incrementWithin(t, client, 5*time.Second))
}
