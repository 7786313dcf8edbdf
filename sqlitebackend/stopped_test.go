//go:build unix

package sqlitebackend

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/internal/stoptest"
)

func init() {
	roles["hold"] = func(path string, orders *bufio.Scanner) error {
		m, err := Open(context.Background(), path, nil)
		if err != nil {
			return err
		}
		defer m.Close()
		return stoptest.Hold(m, orders, os.Stdout)
	}
}

// A process that is stopped past the end of its leases, and woken when others
// have them, cannot write what was theirs: in 100 of 100 runs, ten leases in each
// of ten processes.
func TestStoppedHolder(t *testing.T) {
	const processes, leases = 10, 10
	outcomes := make([]stoptest.Outcome, processes)
	var running sync.WaitGroup
	for i := range processes {
		// Each has a file of its own: one that is stopped in the middle of a
		// transaction holds up all others on its file.
		dir := t.TempDir()
		path := filepath.Join(t.TempDir(), "leases.db")
		m, err := Open(t.Context(), path, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, m.Close()) }()
		command := proctest.Command(t, "hold", path)
		running.Go(func() {
			if outcomes[i], err = stoptest.TakeOver(t.Context(), command, m, dir, leases); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		})
	}
	running.Wait()
	t.Logf("%+v", outcomes)
}
