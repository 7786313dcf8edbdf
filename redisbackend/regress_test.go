package redisbackend_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

func request(holder, path string) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: time.Minute}
}

// TestWipedServer: a process that has seen the namespace is granted nothing once it is gone, also not after another
// process has begun it anew, until an operator acknowledges.
func TestWipedServer(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		server := redistest.Single(t)
		wipedServer(t, server.Client())
	})
	t.Run("all in one millisecond", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { wipedServer(t, redistest.Mini(t).Client()) })
	})
}

func wipedServer(t *testing.T, client *redis.Client) {
	m := manage(t, client, nil)
	before, err := m.TryAcquire(t.Context(), request("a", "f"))
	require.NoError(t, err)

	require.NoError(t, client.FlushAll(t.Context()).Err())
	_, err = m.TryAcquire(t.Context(), request("b", "f"))
	require.ErrorIs(t, err, lease.ErrRegressed)
	_, err = m.Renew(t.Context(), before.Ref(), 0)
	require.ErrorIs(t, err, lease.ErrNotFound)

	fresh := manage(t, client, nil)
	_, err = fresh.TryAcquire(t.Context(), request("c", "g"))
	require.NoError(t, err, "a process that knows of no past begins anew")
	_, err = m.TryAcquire(t.Context(), request("b", "f"))
	require.ErrorIs(t, err, lease.ErrRegressed)

	require.NoError(t, redisbackend.Acknowledge(t.Context(), client, nil))
	after, err := m.TryAcquire(t.Context(), request("b", "f"))
	require.NoError(t, err)
	require.Greater(t, after.Token, before.Token)
	_, err = fresh.TryAcquire(t.Context(), request("c", "h"))
	require.NoError(t, err)
}

// TestRestoredBackup: the same life of the namespace, but with an older token counter.
func TestRestoredBackup(t *testing.T) {
	server := redistest.Single(t)
	client := server.Client()
	m := manage(t, client, nil)
	held, err := m.TryAcquire(t.Context(), request("a", "f"))
	require.NoError(t, err)
	const key = "leasekit:{default}:state"
	backup, err := client.Dump(t.Context(), key).Result()
	require.NoError(t, err)
	_, err = m.TryAcquire(t.Context(), request("a", "g"))
	require.NoError(t, err)

	require.NoError(t, client.RestoreReplace(t.Context(), key, 0, backup).Err())
	_, err = m.TryAcquire(t.Context(), request("a", "h"))
	require.ErrorIs(t, err, lease.ErrRegressed)
	_, err = lease.ReserveTokens(t.Context(), m, held.Ref(), 1)
	require.ErrorIs(t, err, lease.ErrRegressed)
	require.NoError(t, redisbackend.Acknowledge(t.Context(), client, nil))
	_, err = m.TryAcquire(t.Context(), request("a", "h"))
	require.NoError(t, err)
}

// TestRegressionHiddenByAnother: a grant to a process that saw nothing of what was lost makes tokens jump over it. The
// process that saw it notices all the same.
func TestRegressionHiddenByAnother(t *testing.T) {
	server := redistest.Single(t)
	client := server.Client()
	m, other := manage(t, client, nil), manage(t, client, nil)
	backup := map[string]string{}
	for _, key := range client.Keys(t.Context(), "*").Val() {
		backup[key] = client.Dump(t.Context(), key).Val()
	}
	var lost lease.Token
	for _, path := range []string{"f", "g", "h"} {
		l, err := m.TryAcquire(t.Context(), request("a", path))
		require.NoError(t, err)
		lost = l.Token
	}
	server.Do("FLUSHALL") // as a replica that had none of these
	for key, dump := range backup {
		require.NoError(t, client.RestoreReplace(t.Context(), key, 0, dump).Err())
	}
	// Within the millisecond of the lost grants the next token is not above theirs, and hides nothing.
	require.Eventually(t, func() bool {
		return lost < lease.Token(client.Time(t.Context()).Val().UnixMilli())*1024
	}, patience, time.Millisecond)
	_, err := other.TryAcquire(t.Context(), request("b", "f"))
	require.NoError(t, err)
	_, err = m.TryAcquire(t.Context(), request("a", "x"))
	require.ErrorIs(t, err, lease.ErrRegressed)
}

// TestAcknowledgedWithOldCounters: counters that are older than the leases hide nothing once that is acknowledged, and
// do not become numbers that nobody can read.
func TestAcknowledgedWithOldCounters(t *testing.T) {
	server := redistest.Single(t)
	client := server.Client()
	m := manage(t, client, nil)
	const key = "leasekit:{default}:state"
	_, err := m.TryAcquire(t.Context(), request("z", "z"))
	require.NoError(t, err)
	backup, err := client.Dump(t.Context(), key).Result()
	require.NoError(t, err)
	var trees []lease.Lease
	for _, path := range []string{"d", "e"} {
		r := lease.Request{Holder: "a", Claims: lease.Trees(path), TTL: time.Minute}
		tree, err := m.TryAcquire(t.Context(), r)
		require.NoError(t, err)
		trees = append(trees, tree)
	}
	waiter := lease.Request{Holder: "b", Claims: lease.SharedPaths("d/y"), TTL: time.Minute, ID: "waiter", QueueTTL: time.Minute}
	_, err = m.TryAcquire(t.Context(), waiter)
	require.ErrorIs(t, err, lease.ErrConflict)

	require.NoError(t, client.RestoreReplace(t.Context(), key, 0, backup).Err())
	require.NoError(t, redisbackend.Acknowledge(t.Context(), client, nil))
	_, err = m.TryAcquire(t.Context(), request("b", "d/x"))
	require.ErrorIs(t, err, lease.ErrConflict)
	for _, tree := range trees {
		require.NoError(t, m.Release(t.Context(), tree.Ref()))
	}
	_, err = m.TryAcquire(t.Context(), request("c", "d/y"))
	require.ErrorIs(t, err, lease.ErrConflict, "somebody waits for it")
	_, err = m.TryAcquire(t.Context(), waiter)
	require.NoError(t, err)
	_, err = m.TryAcquire(t.Context(), request("c", "d/x"))
	require.NoError(t, err)
}

func TestWarnsOfEviction(t *testing.T) {
	server := redistest.Single(t, "maxmemory-policy allkeys-lru")
	var warnings []string
	o := &redisbackend.Options{Warn: func(problem string) { warnings = append(warnings, problem) }}
	manage(t, server.Client(), o)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "allkeys-lru")

	server.SetConfig("maxmemory-policy", "noeviction")
	manage(t, server.Client(), o)
	require.Len(t, warnings, 1)
}

// TestOutOfMemory: a server that may take no more memory grants nothing, and still renews and releases.
func TestOutOfMemory(t *testing.T) {
	server := redistest.Single(t)
	m := manage(t, server.Client(), nil)
	held, err := m.TryAcquire(t.Context(), request("a", "f"))
	require.NoError(t, err)
	full := func() {
		t.Helper()
		server.SetConfig("maxmemory", "1")
		_, err = m.TryAcquire(t.Context(), request("b", "g"))
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.ErrorContains(t, err, "OOM")
		_, err = m.Renew(t.Context(), held.Ref(), 0)
		require.NoError(t, err)
		_, err = m.Renew(t.Context(), held.Ref(), 10*time.Minute)
		require.NoError(t, err)
	}
	full()
	server.SetConfig("maxmemory", "0")
	waiter := request("w", "f")
	waiter.ID, waiter.QueueTTL = "waiter", time.Minute
	_, err = m.TryAcquire(t.Context(), waiter)
	require.ErrorIs(t, err, lease.ErrConflict)
	full()
	require.NoError(t, m.Release(t.Context(), lease.Ref{ID: waiter.ID, Holder: "w"}))
	require.NoError(t, m.Release(t.Context(), held.Ref()))

	server.SetConfig("maxmemory", "0")
	later, err := m.TryAcquire(t.Context(), request("b", "f"))
	require.NoError(t, err)
	require.Greater(t, later.Token, held.Token)
}

// TestWaitReplicas: a grant counts only once enough replicas have it, and is taken back otherwise.
func TestWaitReplicas(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Single(t, "repl-diskless-sync-delay 0"), redistest.Single(t)
	o := &redisbackend.Options{WaitReplicas: 1, WaitTimeout: 2 * time.Second}
	replicate := func(on bool) {
		if !on {
			replica.Do("REPLICAOF", "NO", "ONE")
			return
		}
		port := master.Addr()[len("127.0.0.1:"):]
		replica.Do("REPLICAOF", "127.0.0.1", port)
		require.Eventually(t, func() bool {
			n, err := master.Client().Do(t.Context(), "WAIT", 1, 100).Int()
			return err == nil && n == 1
		}, 10*time.Second, 10*time.Millisecond)
	}
	replicate(true)
	m := manage(t, master.Client(), o)
	held, err := m.TryAcquire(t.Context(), request("a", "f"))
	require.NoError(t, err)
	require.NoError(t, m.Release(t.Context(), held.Ref()))

	replicate(false)
	_, err = m.TryAcquire(t.Context(), request("b", "f"))
	require.ErrorIs(t, err, lease.ErrUnavailable)
	require.ErrorContains(t, err, "replicas")
	plain := manage(t, master.Client(), nil)
	require.Eventually(t, func() bool {
		l, err := plain.TryAcquire(t.Context(), request("c", "f"))
		if err == nil {
			err = plain.Release(t.Context(), l.Ref())
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond, "what was not confirmed is taken back")
}
