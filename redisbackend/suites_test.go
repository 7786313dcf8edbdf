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
// servers they wait: for two minutes in some of the cases. On a single server it is as a user that has the documented
// rights and no others. Under the race detector it is that one: what miniredis does in virtual time is the server's, and
// none of this program's goroutines.
func TestSuites(t *testing.T) {
	t.Parallel()
	all := map[string]func(*testing.T){
		"Mini":   func(t *testing.T) { suites(t, mini, conformance.Seeds(1, paritySeeds)) },
		"Single": func(t *testing.T) { suites(t, onServer(withDocumentedRights(t)), conformance.Seeds(1, 10)) },
		"Cluster": func(t *testing.T) {
			cluster := redistest.Cluster(t)
			for _, node := range cluster.Nodes {
				node.SetConfig("cluster-node-timeout", "15000") // on a busy machine none is to be taken for dead
			}
			client := cluster.Client() // the namespaces of the cases are in slots of all three masters
			suites(t, onServer(func() redis.UniversalClient { return client }), conformance.Seeds(61, 5))
		},
	}
	if underRace {
		all = map[string]func(*testing.T){"Single": all["Single"], "MiniParity": func(t *testing.T) {
			conformance.Parity(t, mini, conformance.Seeds(1, paritySeeds)...)
		}}
	}
	sideBySide(t, all)
}

// suites runs all that package conformance has for a store.
func suites(t *testing.T, newFixture func(testing.TB) conformance.Fixture, seeds []uint64) {
	sideBySide(t, map[string]func(*testing.T){
		"Conformance": func(t *testing.T) { conformance.Run(t, newFixture) },
		"Helpers":     func(t *testing.T) { conformance.RunHelpers(t, newFixture) },
		"Parity":      func(t *testing.T) { conformance.Parity(t, newFixture, seeds...) },
	})
}

// sideBySide runs subtests of t at once, whatever -parallel says, and returns when all have ended.
func sideBySide(t *testing.T, tests map[string]func(*testing.T)) {
	var all sync.WaitGroup
	defer all.Wait()
	for name, run := range tests {
		all.Go(func() { t.Run(name, run) })
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
		Reopen: func(testing.TB) {}, // the next handle has a client of its own
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
			Reopen: func(testing.TB) {}, // what a handle remembers ends with it
		}
	}
}
