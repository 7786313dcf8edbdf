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

	"github.com/leasekit/leasekit/internal/proctest"
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
	const bound = 150 * time.Millisecond // half as much again, for the race detector
	t.Logf("%v for 10 s", used[11*time.Second]-used[time.Second])
	require.Less(t, used[11*time.Second]-used[time.Second], bound)
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
