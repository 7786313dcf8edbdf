//go:build !race

package sqlitebackend

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/lease"
)

// underRace says that the race detector slows everything down.
const underRace = false

// A pool with a single connection is the hardest: the store must never need a
// second one while it has the first. Under the race detector random scripts have
// to do (TestParityOnPools): the goroutines are those of TestConformance.
func TestConformanceOnOneConnection(t *testing.T) {
	conformance.Run(t, pooled(1))
}

// Under the race detector the group Transaction of TestConformance has to do.
func TestTransactions(t *testing.T) { conformance.RunTransactions(t, fixture) }

// To wait for what another process holds costs next to nothing, though the
// file is looked at again and again: ten seconds more of it less than one
// percent of a processor.
func TestWaiterIsIdle(t *testing.T) {
	t.Parallel()
	used := map[time.Duration]time.Duration{}
	children := map[time.Duration]*proctest.Process{}
	for _, wait := range []time.Duration{time.Second, 11 * time.Second} {
		path := filepath.Join(t.TempDir(), "leases.db") // one for each: what happens in a file has all who wait look
		m, err := Open(t.Context(), path, nil)
		require.NoError(t, err)
		defer m.Close()
		_, err = m.TryAcquire(t.Context(), lease.Request{Holder: "holder", Claims: lease.Paths("hot"), TTL: time.Minute})
		require.NoError(t, err)
		p := proctest.Start(t, "linger", path)
		p.Expect("ready")
		p.Order(wait.String())
		children[wait] = p
	}
	for wait, p := range children {
		p.Expect("true")
		p.Finish()
		used[wait] = p.Used()
	}
	const bound = 150 * time.Millisecond // half as much again, for a busy machine
	t.Logf("%v for 10 s", used[11*time.Second]-used[time.Second])
	require.Less(t, used[11*time.Second]-used[time.Second], bound)
}
