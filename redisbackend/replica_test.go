package redisbackend_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// TestOpenOnAReplica: whoever opens a namespace there would be granted nothing, so is told at once.
func TestOpenOnAReplica(t *testing.T) {
	server := redistest.Single(t)
	manage(t, server.Client(), nil)
	server.Do("REPLICAOF", "127.0.0.1", "1")
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	defer client.Close()
	_, err := redisbackend.Open(t.Context(), client, nil)
	require.ErrorIs(t, err, lease.ErrUnavailable)
	require.ErrorContains(t, err, "READONLY")
}

// TestOtherLayout: what another version of this package keeps is neither read nor changed.
func TestOtherLayout(t *testing.T) {
	client := redistest.Mini(t).Client()
	m := manage(t, client, nil)
	const key = "leasekit:{default}:state"
	head, err := client.HGet(t.Context(), key, "head").Result()
	require.NoError(t, err)
	require.NoError(t, client.HSet(t.Context(), key, "head", "99"+head).Err())
	_, err = m.TryAcquire(t.Context(), request("a", "f"))
	require.ErrorContains(t, err, "LAYOUT 99")
	_, err = redisbackend.Open(t.Context(), client, nil)
	require.ErrorContains(t, err, "LAYOUT 99")
	require.NoError(t, client.HSet(t.Context(), key, "head", head).Err())
	require.NoError(t, client.HDel(t.Context(), key, "head").Err())
	require.NoError(t, client.HSet(t.Context(), key, "state", "as before there was a number").Err())
	_, err = redisbackend.Open(t.Context(), client, nil)
	require.ErrorContains(t, err, "LAYOUT 1")
}

// TestSlotThatMigrates: while the slot of a namespace is moved, and its keys one by one, steps go on or fail as
// unavailable, and afterwards all is there.
func TestSlotThatMigrates(t *testing.T) {
	t.Parallel()
	cluster := redistest.Cluster(t)
	client := cluster.Client()
	m := manage(t, client, nil)
	held, err := m.TryAcquire(t.Context(), request("a", "f"))
	require.NoError(t, err)

	const key = "leasekit:{default}:state"
	from := cluster.MasterOf(key)
	slot := from.Do("CLUSTER", "KEYSLOT", key)
	var to *redistest.Server
	for _, node := range cluster.Nodes {
		if role := fmt.Sprint(node.Do("ROLE")); node.Addr() != from.Addr() && strings.Contains(role, "master") {
			to = node
		}
	}
	source, target := from.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", source)
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", target)
	second, err := m.TryAcquire(t.Context(), request("a", "g"))
	require.NoError(t, err, "no key is taken for moved")
	require.NoError(t, m.Release(t.Context(), held.Ref()))

	host, port, _ := strings.Cut(to.Addr(), ":")
	keys := from.Do("CLUSTER", "GETKEYSINSLOT", slot, 100).([]any)
	require.Len(t, keys, 10)
	for _, key := range keys {
		from.Do("MIGRATE", host, port, key, 0, 5000)
	}
	for _, node := range []*redistest.Server{to, from} {
		node.Do("CLUSTER", "SETSLOT", slot, "NODE", target)
	}
	require.Eventually(t, func() bool {
		_, err = m.Renew(t.Context(), second.Ref(), 0)
		return err == nil
	}, patience, 10*time.Millisecond)
	_, err = m.TryAcquire(t.Context(), request("b", "g"))
	require.ErrorIs(t, err, lease.ErrConflict)
}
