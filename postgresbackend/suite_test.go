package postgresbackend

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

var namespaces atomic.Int64

// fixtureAt makes fixtures: each a namespace of its own on the server at url,
// whose tables must agree with each other at the end.
func fixtureAt(url string) func(testing.TB) conformance.Fixture {
	return func(tb testing.TB) conformance.Fixture {
		namespace := fmt.Sprintf("case-%d", namespaces.Add(1))
		tb.Cleanup(func() { requireSound(tb, pgtest.Shared().URL(), namespace) })
		options := Options{Namespace: namespace}
		return conformance.Fixture{
			RealTime: true,
			Open: func(tb testing.TB) backend.Store {
				s, err := OpenStore(tb.Context(), url, &options)
				require.NoError(tb, err)
				return s
			},
		}
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, fixtureAt(pgtest.Shared().URL())) }

func TestParity(t *testing.T) {
	conformance.Parity(t, fixtureAt(pgtest.Shared().URL()), conformance.Seeds(1, 10)...)
}
