package sqlitebackend

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"

	"github.com/leasekit/leasekit/internal/proctest"
)

func init() {
	roles["contend"] = contendForTest
}

// contendForTest is a process that takes leases: "fight G N" makes G goroutines
// take one path until it was held N times by all processes, "write G MS" makes
// them take paths of their own for so long. It answers how often it got one.
func contendForTest(path string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), path, nil)
	if err != nil {
		return err
	}
	proctest.Say("ready")
	for orders.Scan() {
		var order string
		var goroutines, n int
		if _, err := fmt.Sscan(orders.Text(), &order, &goroutines, &n); err != nil {
			return err
		}
		granted := make([]int, goroutines)
		until := time.Now().Add(time.Duration(n) * time.Millisecond)
		err := inParallel(goroutines, func(g int) error {
			for {
				again, err := false, error(nil)
				switch order {
				case "fight":
					again, err = fightOnce(m, path, n)
				case "write":
					again, err = time.Now().Before(until), writeOnce(m, g, granted[g])
				}
				if err != nil || !again {
					return err
				}
				granted[g]++
			}
		})
		if err != nil {
			return err
		}
		sum := 0
		for _, n := range granted {
			sum += n
		}
		proctest.Say(sum)
	}
	return m.Close()
}

// fightOnce takes the hot path. While it holds it, it alone may make the
// witness file, and it reads and writes the tally: how often the path was held,
// and the last token. So two holders at once would meet outside of the database
// too. It returns false when the path has been held often enough.
func fightOnce(m lease.Manager, path string, enough int) (again bool, err error) {
	ctx := context.Background()
	l, err := m.Acquire(ctx, lease.Request{
		Holder: lease.NewHolder("fighter"), Claims: lease.Paths("hot"), TTL: time.Minute, Timeout: lease.NoTimeout,
	})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, m.Release(ctx, l.Ref())) }()
	witness, err := os.OpenFile(path+"-witness", os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, fmt.Errorf("somebody else holds the path too: %w", err)
	}
	defer func() { err = errors.Join(err, witness.Close(), os.Remove(path+"-witness")) }()

	held, last, err := readTally(path)
	if err != nil || held == enough {
		return false, err
	}
	if l.Token <= last {
		return false, fmt.Errorf("token %d after %d", l.Token, last)
	}
	return true, writeTally(path, held+1, l.Token)
}

func readTally(path string) (held int, last lease.Token, err error) {
	text, err := os.ReadFile(path + "-tally")
	if err == nil {
		_, err = fmt.Sscan(string(text), &held, &last)
	}
	return held, last, err
}

func writeTally(path string, held int, last lease.Token) error {
	return os.WriteFile(path+"-tally", fmt.Append(nil, held, last), 0o600)
}

// writeOnce takes, renews and releases a path of the goroutine's own.
func writeOnce(m lease.Manager, g, i int) error {
	ctx := context.Background()
	holder := strconv.Itoa(os.Getpid()) + "/" + strconv.Itoa(g)
	l, err := m.TryAcquire(ctx, lease.Request{Holder: holder, Claims: lease.Paths(holder, holder+"/"+strconv.Itoa(i))})
	if err != nil {
		return err
	}
	if _, err := m.Renew(ctx, l.Ref(), time.Hour); err != nil {
		return err
	}
	return m.Release(ctx, l.Ref())
}

// startAll starts n processes that are ready.
func startAll(t testing.TB, n int, role, path string) []*proctest.Process {
	t.Helper()
	children := make([]*proctest.Process, n)
	for i := range children {
		children[i] = proctest.Start(t, role, path)
	}
	for _, child := range children {
		child.Expect("ready")
	}
	return children
}

// shares orders all children the same, and returns what they answer, the least
// and the most of it.
func shares(t testing.TB, children []*proctest.Process, order string) (sum, least, most int) {
	t.Helper()
	for _, child := range children {
		child.Order(order)
	}
	for i, child := range children {
		n, err := strconv.Atoi(child.Answer())
		require.NoError(t, err)
		sum, most = sum+n, max(most, n)
		if least = min(least, n); i == 0 {
			least = n
		}
	}
	proctest.FinishAll(children)
	return sum, least, most
}

// 50 goroutines in 5 processes take one path 500 times.
func TestManyFightForOnePath(t *testing.T) {
	const processes, goroutines = 5, 10
	times := 500
	if underRace {
		times = 100
	}
	path := newPath(t)
	m := mustManager(t, path, nil)
	require.NoError(t, writeTally(path, 0, 0))
	children := startAll(t, processes, "contend", path)
	start := time.Now()
	sum, least, most := shares(t, children, fmt.Sprintf("fight %d %d", goroutines, times))
	t.Logf("%d grants in %v; the least and the most of a process: %d, %d", sum, time.Since(start).Round(time.Millisecond), least, most)

	require.Equal(t, times, sum)
	held, last, err := readTally(path)
	require.NoError(t, err)
	require.Equal(t, times, held)
	require.NoFileExists(t, path+"-witness")

	report, err := audit.Replay(m.History(t.Context(), lease.Query{All: true}), nil)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	require.Equal(t, times+processes*goroutines, report.Summary.Kinds[lease.KindGranted], "each goroutine looks once too often")
	require.Equal(t, 1, report.Summary.MostActive)
	stats, err := m.Stats(t.Context())
	require.NoError(t, err)
	require.Greater(t, stats.Token, last)
	require.Zero(t, stats.Active+stats.Pending)
	checkFile(t, path)
}

// Writers in 8 processes on paths of their own never see an error, SQLITE_BUSY
// least of all, while a stranger writes to the file as well, who does not know
// of the gate.
func TestManyWriteAtOnce(t *testing.T) {
	const processes = 8
	milliseconds := 5000
	if underRace {
		milliseconds = 1000
	}
	path := newPath(t)
	m := mustManager(t, path, nil)
	children := startAll(t, processes, "contend", path)

	stranger, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path)+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	defer func() { require.NoError(t, stranger.Close()) }()
	_, err = stranger.Exec(`CREATE TABLE strange (n INTEGER)`)
	require.NoError(t, err)
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if _, err := stranger.Exec(`INSERT INTO strange VALUES (1)`); err != nil {
				stopped <- err
				return
			}
		}
	}()

	sum, least, most := shares(t, children, fmt.Sprintf("write 4 %d", milliseconds))
	close(stop)
	require.NoError(t, <-stopped)
	var strange int
	require.NoError(t, stranger.QueryRow(`SELECT count(*) FROM strange`).Scan(&strange))
	t.Logf("%d rounds; the least and the most of a process: %d, %d; %d writes of the stranger", sum, least, most, strange)
	require.Positive(t, least, "a process was starved")
	stats, err := m.Stats(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.Active)
	checkFile(t, path)
}
