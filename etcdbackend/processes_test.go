package etcdbackend

import (
	"bufio"
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/proctest"
)

func callers(host string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), "etcd://"+host, nil)
	if err != nil {
		return err
	}
	return proctest.Callers(m, orders)
}

// TestProcesses: four processes with 16 callers each share the store. None is
// left behind, and nothing is granted twice.
func TestProcesses(t *testing.T) {
	host := single(t)
	pairs := proctest.RunCallers(t, 4, "callers", host)
	require.Greater(t, 3*slices.Min(pairs), slices.Max(pairs), "the slowest of the processes, and the fastest")
	m, err := New(t.Context(), connect(t, host), nil)
	require.NoError(t, err)
	defer m.Close()
	conformance.Check(t, m)
}
