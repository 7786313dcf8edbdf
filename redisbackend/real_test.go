package redisbackend_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/redisbackend"
)

// onServer returns a maker of fixtures: each a namespace of its own on a server outside the process.
func onServer(client func() redis.UniversalClient) func(testing.TB) conformance.Fixture {
	var namespaces atomic.Int64
	return func(testing.TB) conformance.Fixture {
		namespace := fmt.Sprintf("case-%d", namespaces.Add(1))
		return conformance.Fixture{
			RealTime: true,
			Open: func(tb testing.TB) backend.Store {
				store, err := redisbackend.NewStore(tb.Context(), client(), &redisbackend.Options{Namespace: namespace})
				require.NoError(tb, err)
				return store
			},
		}
	}
}

func TestConformanceSingle(t *testing.T) {
	server := redistest.Single(t)
	conformance.Run(t, onServer(func() redis.UniversalClient { return server.Client() }))
}

func TestParitySingle(t *testing.T) {
	server := redistest.Single(t)
	conformance.Parity(t, onServer(func() redis.UniversalClient { return server.Client() }), conformance.Seeds(1, 10)...)
}
