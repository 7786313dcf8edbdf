package redisbackend_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/redisbackend"
)

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

func TestConformanceMini(t *testing.T) { conformance.Run(t, mini) }
