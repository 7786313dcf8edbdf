package redisbackend_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/redisbackend"
)

// rights are those of the package documentation: nothing else is needed.
var rights = []any{
	"~leasekit:{*", "&leasekit:{*",
	"+evalsha", "+eval", "+subscribe", "+ssubscribe", "+unsubscribe", "+sunsubscribe", "+ping", "+hello", "+time",
	"+hget", "+hmget", "+hset", "+hdel", "+hincrby",
	"+zadd", "+zrem", "+zcard", "+zcount", "+zlexcount", "+zrange", "+zrangebylex", "+zrangebyscore", "+zrank", "+zscore",
	"+xadd", "+xlen", "+xrange", "+xrevrange", "+xtrim", "+publish", "+spublish",
}

// withDocumentedRights returns a maker of clients of a server on which they have the rights of the documentation.
func withDocumentedRights(t *testing.T) func() redis.UniversalClient {
	server := redistest.Single(t)
	server.Do(append([]any{"ACL", "SETUSER", "leases", "on", ">secret", "resetkeys", "resetchannels", "-@all"}, rights...)...)
	return func() redis.UniversalClient {
		options := server.Options()
		options.Username, options.Password = "leases", "secret"
		client := redis.NewClient(options)
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
}

// TestClusterWithDocumentedRights: a Cluster's client and the other options need a few more.
func TestClusterWithDocumentedRights(t *testing.T) {
	t.Parallel()
	cluster := redistest.Cluster(t)
	for _, node := range cluster.Nodes {
		node.Do(append([]any{"ACL", "SETUSER", "leases", "on", ">secret", "resetkeys", "resetchannels", "-@all",
			"+cluster|slots", "+cluster|shards", "+command", "+readonly", "+wait", "+config|get"}, rights...)...)
	}
	options := cluster.Options()
	options.Username, options.Password = "leases", "secret"
	client := redis.NewClusterClient(options)
	t.Cleanup(func() { _ = client.Close() })
	m := manage(t, client, &redisbackend.Options{
		WaitReplicas: 1, WaitTimeout: 2 * time.Second,
		Warn: func(problem string) { t.Errorf("warned: %s", problem) },
	})
	held, err := m.TryAcquire(t.Context(), request("a", "f"))
	require.NoError(t, err)
	granted := make(chan error, 1)
	go func() {
		_, err := m.Acquire(t.Context(), request("b", "f"))
		granted <- err
	}()
	require.Eventually(t, func() bool {
		stats, err := m.Stats(t.Context())
		return err == nil && stats.Pending == 1
	}, patience, 5*time.Millisecond)
	require.NoError(t, m.Release(t.Context(), held.Ref()))
	require.NoError(t, <-granted)
}
