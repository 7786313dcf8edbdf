package etcdbackend

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
)

// virtual is a namespace in an etcd of the test's own, whose clock is the
// bubble's.
func virtual(testing.TB) conformance.Fixture {
	var cluster *fakeEtcd
	return conformance.Fixture{Reopen: nothing, Open: func(t testing.TB) backend.Store {
		if cluster == nil {
			cluster = newFake()
		}
		s, err := NewStore(t.Context(), cluster.client(), &Options{MaxSkew: OneClock})
		require.NoError(t, err)
		return s
	}}
}

// nothing is to be done to a cluster whose clients have all gone.
func nothing(testing.TB) {}

func TestConformance(t *testing.T) { conformance.Run(t, virtual) }

func TestHelpers(t *testing.T) { conformance.RunHelpers(t, virtual) }

func TestParity(t *testing.T) { conformance.Parity(t, virtual, conformance.Seeds(1, paritySeeds)...) }

// TestServer runs the suites on a real member, in real time.
func TestServer(t *testing.T) {
	t.Parallel()
	client := connect(t, single(t))
	var namespaces atomic.Int64
	onServer := func(testing.TB) conformance.Fixture {
		o := &Options{Namespace: fmt.Sprintf("case %d", namespaces.Add(1)), MaxSkew: OneClock}
		return conformance.Fixture{RealTime: true, Reopen: nothing, Open: func(t testing.TB) backend.Store {
			s, err := NewStore(t.Context(), client, o)
			require.NoError(t, err)
			return s
		}}
	}
	var all sync.WaitGroup
	defer all.Wait()
	if !raced { // what they wait for is the same, and its TTLs are short
		all.Go(func() { t.Run("Conformance", func(t *testing.T) { conformance.Run(t, onServer) }) })
		all.Go(func() { t.Run("Helpers", func(t *testing.T) { conformance.RunHelpers(t, onServer) }) })
	}
	all.Go(func() {
		t.Run("Parity", func(t *testing.T) { conformance.Parity(t, onServer, conformance.Seeds(1, 5)...) })
	})
}
