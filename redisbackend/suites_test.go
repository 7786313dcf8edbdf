package redisbackend_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/redisbackend"
)

// TestSuites runs the shared suites on everything that a namespace may be on. They run side by side, since on real
// servers they wait: for two minutes in some of the cases.
func TestSuites(t *testing.T) {
	t.Parallel()
	single := redistest.Single(t)
	onSingle := onServer(func() redis.UniversalClient { return single.Client() })
	restricted := withDocumentedRights(t)
	cluster := redistest.Cluster(t)
	for _, node := range cluster.Nodes {
		node.SetConfig("cluster-node-timeout", "15000") // on a busy machine none is to be taken for dead
	}
	slots := cluster.Client() // the namespaces are in slots of all three masters
	onCluster := onServer(func() redis.UniversalClient { return slots })

	var all sync.WaitGroup
	defer all.Wait()
	for _, suite := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"Single", func(t *testing.T) { conformance.Run(t, onSingle) }},
		{"SingleHelpers", func(t *testing.T) { conformance.RunHelpers(t, onSingle) }},
		{"SingleParity", func(t *testing.T) { conformance.Parity(t, onSingle, conformance.Seeds(1, 10)...) }},
		{"Restricted", func(t *testing.T) { conformance.Run(t, onServer(restricted)) }},
		{"Cluster", func(t *testing.T) { conformance.Run(t, onCluster) }},
		{"ClusterHelpers", func(t *testing.T) { conformance.RunHelpers(t, onCluster) }},
		{"ClusterParity", func(t *testing.T) { conformance.Parity(t, onCluster, conformance.Seeds(61, 5)...) }},
		{"Mini", func(t *testing.T) { conformance.Run(t, mini) }},
		{"MiniHelpers", func(t *testing.T) { conformance.RunHelpers(t, mini) }},
		{"MiniParity", func(t *testing.T) { conformance.Parity(t, mini, conformance.Seeds(1, paritySeeds)...) }},
	} {
		all.Go(func() { t.Run(suite.name, suite.run) })
	}
}

// mini is a namespace on a miniredis of its own, whose clock is the bubble's.
func mini(testing.TB) conformance.Fixture {
	var server *redistest.MiniServer
	return conformance.Fixture{
		Open: func(tb testing.TB) backend.Store {
			if server == nil {
				server = redistest.Mini(tb)
			}
			store, err := redisbackend.NewStore(tb.Context(), server.Client(), nil)
			require.NoError(tb, err)
			return store
		},
	}
}

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
