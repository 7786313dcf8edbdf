package redisbackend_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

func init() {
	roles["contend"] = contend
}

// contend is a process that takes leases on one path. Its orders are a number of goroutines, how often all processes
// together are to hold the path, and a directory. It answers "ready" before them, and "done" after.
func contend(m lease.Manager, orders *bufio.Scanner) error {
	fmt.Println("ready")
	if !orders.Scan() {
		return errors.New("no orders")
	}
	var goroutines, enough int
	var dir string
	if _, err := fmt.Sscan(orders.Text(), &goroutines, &enough, &dir); err != nil {
		return err
	}
	ends := make([]error, goroutines)
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			for again := true; again && ends[i] == nil; {
				again, ends[i] = contendOnce(m, dir, enough)
			}
		})
	}
	all.Wait()
	fmt.Println("done")
	return errors.Join(ends...)
}

// contendOnce takes the path. While it holds it, it alone may make the witness file, and it reads and writes the tally:
// how often the path was held, and the last token. So two holders at once would meet outside of Redis too. It returns
// false when the path has been held often enough.
func contendOnce(m lease.Manager, dir string, enough int) (again bool, err error) {
	ctx := context.Background()
	l, err := m.Acquire(ctx, lease.Request{Holder: lease.NewHolder("contender"), Claims: lease.Paths("hot"), Timeout: lease.NoTimeout})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, m.Release(ctx, l.Ref())) }()
	name := filepath.Join(dir, "witness")
	witness, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, fmt.Errorf("somebody else holds the path too: %w", err)
	}
	defer func() { err = errors.Join(err, witness.Close(), os.Remove(name)) }()

	held, last, err := readTally(dir)
	if err != nil || held == enough {
		return false, err
	}
	if l.Token <= last {
		return false, fmt.Errorf("token %d after %d", l.Token, last)
	}
	return true, writeTally(dir, held+1, l.Token)
}

func readTally(dir string) (held int, last lease.Token, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "tally"))
	if err == nil {
		_, err = fmt.Sscan(string(text), &held, &last)
	}
	return held, last, err
}

func writeTally(dir string, held int, last lease.Token) error {
	return os.WriteFile(filepath.Join(dir, "tally"), fmt.Append(nil, held, " ", last), 0o600)
}

// child is a process of the test's.
type child struct {
	t       testing.TB
	command *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Scanner
}

// startChild starts a child in a role; it is killed at the end of the test.
func startChild(t testing.TB, role, address string) *child {
	t.Helper()
	c := &child{t: t, command: command(t, role, address)}
	var err error
	c.orders, err = c.command.StdinPipe()
	require.NoError(t, err)
	answers, err := c.command.StdoutPipe()
	require.NoError(t, err)
	c.answers = bufio.NewScanner(answers)
	require.NoError(t, c.command.Start())
	t.Cleanup(func() {
		_ = c.command.Process.Kill()
		_ = c.command.Wait()
	})
	return c
}

func (c *child) order(line string) {
	c.t.Helper()
	_, err := fmt.Fprintln(c.orders, line)
	require.NoError(c.t, err)
}

// expect waits for the child's next line.
func (c *child) expect(want string) {
	c.t.Helper()
	require.True(c.t, c.answers.Scan(), "the child ended: %v", c.answers.Err())
	require.Equal(c.t, want, c.answers.Text())
}

// finish waits for the child's end, which it tells if it was not a good one.
func (c *child) finish() {
	c.t.Helper()
	for c.answers.Scan() {
		c.t.Error(c.answers.Text())
	}
	require.NoError(c.t, c.command.Wait())
}

// Goroutines in 5 processes take one path 500 times: nobody at the same time, in the order in which they came, and for a
// handful of commands each, whether few wait or many.
func TestManyProcessesOnOnePath(t *testing.T) {
	t.Parallel()
	const processes, times = 5, 500
	for _, goroutines := range []int{2, 10} {
		t.Run(fmt.Sprintf("goroutines=%d", processes*goroutines), func(t *testing.T) {
			server := redistest.Single(t)
			m := manage(t, server.Client(), nil)
			dir := t.TempDir()
			require.NoError(t, writeTally(dir, 0, 0))
			children := make([]*child, processes)
			for i := range children {
				children[i] = startChild(t, "contend", server.Addr())
			}
			for _, child := range children {
				child.expect("ready")
			}
			before, began := clientCommands(server), time.Now()
			for _, child := range children {
				child.order(fmt.Sprint(goroutines, " ", times, " ", dir))
			}
			for _, child := range children {
				child.expect("done")
			}
			commands, took := clientCommands(server)-before, time.Since(began)
			for _, child := range children {
				child.finish()
			}

			held, last, err := readTally(dir)
			require.NoError(t, err)
			require.Equal(t, times, held)
			require.NoFileExists(t, filepath.Join(dir, "witness"))
			report, err := audit.Replay(m.History(t.Context(), lease.Query{All: true}), nil)
			require.NoError(t, err)
			require.NoError(t, report.Err(), "tokens rise and the queue's order is kept")
			grants := report.Summary.Kinds[lease.KindGranted]
			require.Equal(t, times+processes*goroutines, grants, "each goroutine looks once too often")
			require.Equal(t, 1, report.Summary.MostActive)
			stats, err := m.Stats(t.Context())
			require.NoError(t, err)
			require.Greater(t, stats.Token, last)
			require.Zero(t, stats.Active+stats.Pending)

			perGrant := float64(commands) / float64(grants)
			t.Logf("%d grants in %v, %.2f commands each", grants, took, perGrant)
			looks := processes * 12 * took.Seconds() // who was told, who is first in line, whether the link is there
			require.LessOrEqual(t, float64(commands), 3.3*float64(grants)+looks)
		})
	}
}

// clientCommands returns how many commands clients have sent. The server counts those that scripts call as well: so
// those are counted that no script of this package calls, and this look itself is not.
func clientCommands(server *redistest.Server) int {
	sum := 0
	for line := range strings.Lines(fmt.Sprint(server.Do("INFO", "commandstats"))) {
		name, figures, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		switch name {
		case "evalsha", "eval", "subscribe", "unsubscribe", "ping", "hello", "wait":
			var calls int
			if _, err := fmt.Sscanf(figures, "calls=%d,", &calls); err == nil {
				sum += calls
			}
		}
	}
	return sum
}
