//go:build unix

package redisbackend_test

import (
	"bufio"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/internal/stoptest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

func init() {
	roles["hold"] = func(m lease.Manager, orders *bufio.Scanner) error {
		return stoptest.Hold(m, orders, os.Stdout)
	}
}

// A process that is stopped past the end of its leases, and woken when others have them, cannot write what was theirs:
// in 100 of 100 runs, ten leases in each of ten processes.
func TestStoppedHolder(t *testing.T) {
	const processes, leases = 10, 10
	server := redistest.Single(t)
	m, err := redisbackend.Open(t.Context(), server.Client(), nil)
	require.NoError(t, err)
	defer m.Close()
	outcomes := make([]stoptest.Outcome, processes)
	var running sync.WaitGroup
	for i := range processes {
		child, dir := command(t, "hold", server.Addr()), t.TempDir()
		running.Go(func() {
			var err error
			if outcomes[i], err = stoptest.TakeOver(t.Context(), child, m, dir, leases); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		})
	}
	running.Wait()
	t.Logf("%+v", outcomes)
}
