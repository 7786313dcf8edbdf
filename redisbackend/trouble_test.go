package redisbackend_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// A server that forgets its scripts, and one that closes connections, in the midst of traffic.
func TestScriptsAndConnectionsAreLost(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	all := start(t, []lease.Manager{manage(t, server.Client(), nil), manage(t, server.Client(), nil)})
	for range 10 {
		server.Do("SCRIPT", "FLUSH")
		all.flows("without scripts")
	}
	for range 10 {
		server.Do("CLIENT", "KILL", "TYPE", "pubsub")
		all.flows("without subscriptions")
	}
	require.Zero(t, all.count(lease.ErrUnavailable), "the callers notice none of this")
	for range 10 {
		server.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		all.flows("without connections")
	}
	require.Zero(t, all.finish())
}

// A server that restarts, after an orderly stop and after a crash, with its data.
func TestRestartWithData(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t, "appendonly yes")
	all := start(t, []lease.Manager{manage(t, server.Client(), nil), manage(t, server.Client(), nil)}, lease.ErrExpired)
	all.flows("before")
	server.Restart(redistest.KeepData)
	all.flows("after a restart")
	server.Kill()
	server.Restart(redistest.KeepData)
	all.flows("after a crash")
	require.Zero(t, all.finish())
}

// A server that comes back without its data grants nothing to those who know better, until that is acknowledged.
func TestRestartWithoutData(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	all := start(t, []lease.Manager{manage(t, server.Client(), nil), manage(t, server.Client(), nil)},
		lease.ErrExpired, lease.ErrNotFound, lease.ErrRegressed)
	all.flows("before")
	server.Restart(redistest.DropData)
	all.flowsOnceAcknowledged("after the loss", func() error {
		return redisbackend.Acknowledge(t.Context(), server.Client(), nil)
	})
	require.Positive(t, all.count(lease.ErrRegressed))
	require.Positive(t, all.finish())
}
