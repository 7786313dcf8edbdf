package sqlitebackend

import (
	"bufio"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

func init() {
	roles["linger"] = lingerForTest
}

// lingerForTest is a process that waits for a path in vain, for as long as its
// order says.
func lingerForTest(path string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), path, nil)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	orders.Scan()
	wait, err := time.ParseDuration(orders.Text())
	if err != nil {
		return err
	}
	_, err = m.Acquire(context.Background(), lease.Request{
		Holder: lease.NewHolder("lingerer"), Claims: lease.Paths("hot"), Timeout: wait,
	})
	fmt.Println(err != nil)
	return m.Close()
}

// One Options value serves any number of goroutines (under the race detector),
// and stays as it was.
func TestOptionsAreShared(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "leases.db")
	options := Options{Namespace: "shared", Engine: &backend.Options{Observer: &backend.Observer{}}}
	before := options
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 5 {
				m, err := Open(t.Context(), path, &options)
				if err == nil {
					err = m.Close()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, before, options)
}
