package postgresbackend

import (
	"bufio"
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

func init() { roles["callers"] = callersForTest }

const sharedNamespace = "processes"

func callersForTest(url string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), url, &Options{Namespace: sharedNamespace})
	if err != nil {
		return err
	}
	return proctest.Callers(m, orders)
}

// Four processes with 16 callers each share the store: they take turns, and
// nothing is granted twice.
func TestProcesses(t *testing.T) {
	url := pgtest.Shared().URL()
	m := open(t, url, &Options{Namespace: sharedNamespace})
	pairs := proctest.RunCallers(t, 4, "callers", url)
	require.Greater(t, 10*slices.Min(pairs), 7*slices.Max(pairs), "the slowest of the processes, and the fastest")
	conformance.Check(t, m)
	requireSound(t, url, sharedNamespace)
}
