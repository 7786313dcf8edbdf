package etcdbackend

import (
	"fmt"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
)

// virtual is a namespace in an etcd of the test's own, whose clock is the
// bubble's. All suites clean the log all the time.
func virtual(testing.TB) conformance.Fixture {
	var cluster *fakeEtcd
	return conformance.Fixture{Reopen: nothing, Open: func(t testing.TB) backend.Store {
		if cluster == nil {
			cluster = newFake()
		}
		s, err := NewStore(t.Context(), cluster.client(), &Options{MaxSkew: OneClock, spare: 1})
		require.NoError(t, err)
		return s
	}}
}

// nothing is to be done to a cluster whose clients have all gone.
func nothing(testing.TB) {}

func TestParity(t *testing.T) {
	t.Parallel()
	conformance.Parity(t, virtual, conformance.Seeds(1, paritySeeds)...)
}

// bridged returns what makes fixtures on a real cluster, in the time of the
// test's bubble.
func bridged(client *clientv3.Client) func(testing.TB) conformance.Fixture {
	return func(testing.TB) conformance.Fixture {
		b, o := &bridge{real: client}, caseOptions()
		return conformance.Fixture{Reopen: nothing, Open: func(t testing.TB) backend.Store {
			s, err := NewStore(t.Context(), b.client(), o)
			require.NoError(t, err)
			return s
		}}
	}
}

var namespaces atomic.Int64

// caseOptions name a namespace of a case's own.
func caseOptions() *Options {
	return &Options{Namespace: fmt.Sprintf("case %d", namespaces.Add(1)), MaxSkew: OneClock, spare: 1}
}

// direct returns what makes fixtures on a real cluster, in real time.
func direct(client *clientv3.Client) func(testing.TB) conformance.Fixture {
	return func(testing.TB) conformance.Fixture {
		o := caseOptions()
		return conformance.Fixture{RealTime: true, Reopen: nothing, Open: func(t testing.TB) backend.Store {
			s, err := NewStore(t.Context(), client, o)
			require.NoError(t, err)
			return s
		}}
	}
}

// suite returns what makes fixtures on a real cluster: in virtual time, and in
// real time for the groups that are about when something happens.
func suite(client *clientv3.Client) func(testing.TB) conformance.Fixture {
	inBubbles, inReality := bridged(client), direct(client)
	return func(t testing.TB) conformance.Fixture {
		if inRealTime.MatchString(t.Name()) {
			return inReality(t)
		}
		return inBubbles(t)
	}
}

var inRealTime = regexp.MustCompile(`/(Handover/(By|InTheGap)|Cancel/|ClockLoad/|Shutdown/)`)

func TestConformance(t *testing.T) { conformance.Run(t, suite(connect(t, single(t)))) }

func TestHelpers(t *testing.T) { conformance.RunHelpers(t, suite(connect(t, single(t)))) }

// Random scripts on a real member, in real time.
func TestServer(t *testing.T) {
	t.Parallel()
	conformance.Parity(t, direct(connect(t, single(t))), conformance.Seeds(1, 10)...)
}
