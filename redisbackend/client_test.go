package redisbackend_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// Clients as programs wrap them, to add methods of their own.
type (
	wrappedSingle  struct{ *redis.Client }
	wrappedCluster struct{ *redis.ClusterClient }
	wrappedRing    struct{ *redis.Ring }
)

// TestClientsThatAreRefused: a Ring has no one server that keeps a namespace, which its user learns from the error.
func TestClientsThatAreRefused(t *testing.T) {
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer ring.Close()
	for name, client := range map[string]redis.UniversalClient{"Ring": ring, "wrapped": wrappedRing{ring}, "none": nil} {
		for call, do := range map[string]func() error{
			"Open":        func() error { _, err := redisbackend.Open(t.Context(), client, nil); return err },
			"NewStore":    func() error { _, err := redisbackend.NewStore(t.Context(), client, nil); return err },
			"Acknowledge": func() error { return redisbackend.Acknowledge(t.Context(), client, nil) },
		} {
			err := do()
			var invalid *lease.InvalidError
			require.ErrorAs(t, err, &invalid, "%s, %s", name, call)
			require.Equal(t, "client", invalid.Field)
			require.ErrorIs(t, err, lease.ErrInvalid)
			require.NotErrorIs(t, err, lease.ErrUnavailable)
		}
	}
}

// TestKindsOfClients: all calls do what they should on each protocol, and through clients that wrap others.
func TestKindsOfClients(t *testing.T) {
	t.Parallel()
	server, cluster := redistest.Single(t), redistest.Cluster(t)
	protocol := func(version int) redis.UniversalClient {
		o := server.Options()
		o.Protocol = version
		client := redis.NewClient(o)
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	for name, client := range map[string]redis.UniversalClient{
		"RESP2":           protocol(2),
		"RESP3":           protocol(3),
		"wrapped":         wrappedSingle{server.Client()},
		"wrapped cluster": wrappedCluster{cluster.Client()},
	} {
		t.Run(name, func(t *testing.T) {
			m := manage(t, client, &redisbackend.Options{Namespace: name})
			handsOver(t, m)
			looksAndEnds(t, m)
		})
	}
}

// handsOver has a waiter take over from a holder.
func handsOver(t *testing.T, m lease.Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	held, err := m.TryAcquire(ctx, request("first", "f"))
	require.NoError(t, err)
	granted := make(chan error, 1)
	go func() {
		l, err := m.Acquire(ctx, request("second", "f"))
		if err == nil {
			err = m.Release(ctx, l.Ref())
		}
		granted <- err
	}()
	for {
		stats, err := m.Stats(ctx)
		require.NoError(t, err)
		if stats.Pending == 1 {
			break
		}
	}
	require.NoError(t, m.Release(ctx, held.Ref()))
	require.NoError(t, <-granted)
}

// looksAndEnds has each other kind of reply read: of refusals, pages of leases and events, counters and configurations.
func looksAndEnds(t *testing.T, m lease.Manager) {
	t.Helper()
	ctx := t.Context()
	r := lease.Request{Holder: "h", Claims: lease.Trees("a", "b"), TTL: time.Minute, Labels: map[string]string{"k": "v"}}
	held, err := m.TryAcquire(ctx, r)
	require.NoError(t, err)
	_, err = m.TryAcquire(ctx, request("other", "a/c"))
	var conflict *lease.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, held.ID, conflict.Blockers[0].ID)
	longer, err := m.Renew(ctx, held.Ref(), time.Hour)
	require.NoError(t, err)
	require.Greater(t, longer.ExpiresAt, held.ExpiresAt)
	got, err := m.Get(ctx, held.ID)
	require.NoError(t, err)
	require.Equal(t, r.Labels, got.Labels)
	for l, err := range m.List(ctx, lease.Query{Status: []lease.Status{lease.Active}}) {
		require.NoError(t, err)
		require.Equal(t, held.ID, l.ID)
	}
	config, err := m.Config(ctx)
	require.NoError(t, err)
	config.MaxTTL = 2 * time.Hour
	config, err = m.SetConfig(ctx, config)
	require.NoError(t, err)
	require.Equal(t, 2*time.Hour, config.MaxTTL)
	ended, err := m.ForceRelease(ctx, lease.Query{Under: "a"}, lease.Revocation{Actor: "root", Reason: "test"})
	require.NoError(t, err)
	require.Len(t, ended, 1)
	require.ErrorIs(t, m.Release(ctx, held.Ref()), lease.ErrRevoked)
	_, err = m.Sweep(ctx)
	require.NoError(t, err)
	stats, err := m.Stats(ctx)
	require.NoError(t, err)
	require.Zero(t, stats.Active+stats.Pending)
	var kinds []lease.Kind
	for event, err := range m.History(ctx, lease.Query{ID: held.ID}) {
		require.NoError(t, err)
		kinds = append(kinds, event.Kind)
	}
	require.Equal(t, []lease.Kind{lease.KindGranted, lease.KindRenewed, lease.KindRevoked}, kinds)
}
