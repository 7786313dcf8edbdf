package sqlitedb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/proctest"
)

func init() {
	roles["write"] = writeForTest
}

// writeForTest is a process that writes: "count N G" makes G goroutines
// increment a counter N times each, "flood" writes for ever, "hang" writes and
// then keeps its transaction open for ever.
func writeForTest(path string, orders *bufio.Scanner) error {
	d, err := Open(context.Background(), path, quick)
	if err != nil {
		return err
	}
	w := NewWriter(d, Hooks{})
	proctest.Say("ready")
	for orders.Scan() {
		order, times, goroutines := "", 0, 0
		if _, err := fmt.Sscan(orders.Text()+" 0 0", &order, &times, &goroutines); err != nil {
			return err
		}
		switch order {
		case "count":
			err = inParallel(goroutines, func(int) error {
				for range times {
					if err := w.Do(context.Background(), Call{}, increment("n")); err != nil {
						return err
					}
				}
				return nil
			})
		case "flood":
			proctest.Say("flooding")
			err = inParallel(16, func(g int) error {
				for {
					if err := w.Do(context.Background(), Call{}, both(strconv.Itoa(g))); err != nil {
						return err
					}
				}
			})
		case "hang":
			err = w.Do(context.Background(), Call{}, func(b *Batch) error {
				if err := increment("lost")(b); err != nil {
					return err
				}
				proctest.Say("inside")
				select {}
			})
		}
		if err != nil {
			return err
		}
		proctest.Say("done")
	}
	return errors.Join(w.Close(), d.Close())
}

func inParallel(goroutines int, f func(g int) error) error {
	results := make([]error, goroutines)
	var running sync.WaitGroup
	for g := range goroutines {
		running.Go(func() { results[g] = f(g) })
	}
	running.Wait()
	return errors.Join(results...)
}

// both changes two rows that must agree.
func both(name string) Operation {
	return func(b *Batch) error {
		if err := increment(name + "/left")(b); err != nil {
			return err
		}
		return increment(name + "/right")(b)
	}
}

func checkIntegrity(t testing.TB, d *Database) {
	t.Helper()
	var verdict string
	require.NoError(t, d.reader.QueryRow("PRAGMA integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
}

// Several processes write at once: nothing is lost, nothing is counted twice,
// and nobody sees SQLITE_BUSY.
func TestProcessesShareAFile(t *testing.T) {
	const processes, goroutines, times = 3, 8, 30
	d, w := newCounters(t, Hooks{})
	children := make([]*proctest.Process, processes)
	for i := range children {
		children[i] = proctest.Start(t, "write", d.file)
		children[i].Expect("ready")
	}
	for _, child := range children {
		child.Order(fmt.Sprintf("count %d %d", times, goroutines))
	}
	require.NoError(t, inParallel(goroutines, func(int) error {
		for range times {
			if err := w.Do(context.Background(), Call{}, increment("n")); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, child := range children {
		child.Expect("done")
	}
	proctest.FinishAll(children)
	require.Equal(t, (processes+1)*goroutines*times, value(t, d, "n"))
	checkIntegrity(t, d)
}

// A process is killed in the middle of a batch: the others go on at once, and
// nothing of its batch is kept.
func TestProcessKilledInsideBatch(t *testing.T) {
	d, w := newCounters(t, Hooks{})
	for range 3 {
		child := proctest.Start(t, "write", d.file)
		child.Expect("ready")
		child.Order("hang")
		child.Expect("inside")

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		require.ErrorIs(t, w.Do(ctx, Call{}, increment("a")), context.DeadlineExceeded, "the child holds the gate")
		cancel()
		result := make(chan error)
		go func() { result <- w.Do(context.Background(), Call{}, increment("a")) }()
		waitQueued(w, 1)
		child.Kill()
		require.NoError(t, <-result)
	}
	require.Equal(t, 3, value(t, d, "a"))
	require.Zero(t, value(t, d, "lost"))
	checkIntegrity(t, d)
}

// Processes that write as fast as they can are killed at random moments.
func TestProcessesKilledWhileWriting(t *testing.T) {
	const rounds = 8
	d, w := newCounters(t, Hooks{})
	flood := func() *proctest.Process {
		child := proctest.Start(t, "write", d.file)
		child.Expect("ready")
		child.Order("flood")
		child.Expect("flooding")
		return child
	}
	standing := flood()
	for range rounds {
		child := flood()
		for range 5 { // some batches of ours go between theirs
			require.NoError(t, w.Do(t.Context(), Call{}, both("parent")))
		}
		child.Kill()
	}
	standing.Kill()

	require.NoError(t, w.Do(t.Context(), Call{}, both("parent")))
	require.Equal(t, rounds*5+1, value(t, d, "parent/left"))
	names := []string{"parent"}
	for g := range 16 {
		names = append(names, strconv.Itoa(g))
	}
	for _, name := range names {
		require.Equal(t, value(t, d, name+"/left"), value(t, d, name+"/right"), name)
	}
	checkIntegrity(t, d)
}

// A process that writes as fast as it can does not starve another one.
func TestProcessesTakeTurns(t *testing.T) {
	d, w := newCounters(t, Hooks{})
	children := []*proctest.Process{proctest.Start(t, "write", d.file), proctest.Start(t, "write", d.file)}
	for _, child := range children {
		child.Expect("ready")
		child.Order("flood")
		child.Expect("flooding")
	}
	var longest time.Duration
	for range 50 {
		start := time.Now()
		require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))
		longest = max(longest, time.Since(start))
	}
	for _, child := range children {
		child.Kill()
	}
	t.Logf("longest wait for a turn: %v", longest)
	// About 10 ms on two cores; much more under the race detector on a busy
	// machine, and no bound at all with SQLite's own lock alone.
	require.Less(t, longest, 3*time.Second)
}
