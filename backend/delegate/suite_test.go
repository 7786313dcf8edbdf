package delegate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// fixture is a delegate of the root, with a history. Its handles share it.
func fixture(testing.TB) conformance.Fixture {
	var first *store
	return conformance.Fixture{
		Open: func(tb testing.TB) backend.Store {
			if first != nil {
				return first.another()
			}
			c := lease.DefaultConfig()
			first = under(tb, lease.Trees("/"), &Options{Config: &c, TokenBlock: 100})
			return first
		},
		Volatile: "a delegate ends with its process",
		KnownFailures: map[string]string{
			"Clock/LongTTL": "it asks for the longest TTL, which is more than is left of the parent's",
		},
	}
}

// under returns a store under a lease with these claims.
func under(tb testing.TB, claims []lease.Claim, o *Options) *store {
	tb.Helper()
	m := memory.New(nil)
	k := lease.NewKeeper(m, nil)
	tb.Cleanup(func() {
		k.Close()
		require.NoError(tb, m.Close())
	})
	held, err := k.TryAcquire(tb.Context(), lease.Request{Holder: "parent", Claims: claims, TTL: lease.MaxTTL}, nil)
	require.NoError(tb, err)
	s, err := newStore(tb.Context(), m, held, o)
	require.NoError(tb, err)
	return s
}

func TestConformance(t *testing.T) { conformance.Run(t, fixture) }

func TestHelpers(t *testing.T) { conformance.RunHelpers(t, fixture) }

func TestParity(t *testing.T) { conformance.Parity(t, fixture, conformance.Seeds(1, 20)...) }
