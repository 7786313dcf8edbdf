package sqlitebackend

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

func init() {
	roles["read and lock"] = readAndLock
}

// readAndLock is a process that reads every file of the store's directory in a
// loop, as a tree walk, an indexer or a backup does, while it takes and gives
// back paths. Now and then it opens the store anew. Who has a path writes a
// file beside it and finds no other's.
func readAndLock(path string, orders *bufio.Scanner) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	proctest.Say("ready")
	orders.Scan()
	deadline := time.Now().Add(readFor)
	go func() {
		for ctx.Err() == nil {
			_ = filepath.WalkDir(filepath.Dir(path), func(name string, entry fs.DirEntry, err error) error {
				if err == nil && !entry.IsDir() {
					_, _ = os.ReadFile(name) // some come and go
				}
				return nil
			})
		}
	}()
	turns := 0
	for time.Now().Before(deadline) {
		m, err := Open(ctx, path, &Options{Synchronous: Normal})
		if err != nil {
			return err
		}
		for range 20 + rand.IntN(30) {
			if err := holdOnce(ctx, m, path, rand.IntN(3)); err != nil {
				return err
			}
			turns++
		}
		if err := m.Close(); err != nil {
			return err
		}
	}
	proctest.Say("turns", turns > 0)
	return nil
}

const readFor = 2 * time.Second

// holdOnce takes a path, checks that nobody else has it, and gives it back.
func holdOnce(ctx context.Context, m lease.Manager, path string, number int) error {
	l, err := m.Acquire(ctx, lease.Request{Holder: lease.NewHolder("h"), Claims: lease.Paths(fmt.Sprint("p", number)), TTL: time.Minute})
	if err != nil {
		return err
	}
	mark := fmt.Sprintf("%s-held-%d", path, number)
	file, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("two have %s: %w", mark, err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	for _, err := range m.List(ctx, lease.Query{All: true}) {
		if err != nil {
			return err
		}
		break // a look now and then
	}
	if err := os.Remove(mark); err != nil {
		return err
	}
	if err := m.Release(ctx, l.Ref()); err != nil {
		return fmt.Errorf("a lease was lost: %w", err)
	}
	return nil
}

// Processes that read the store's files by themselves lose no lease and damage
// nothing.
func TestReadingTheFilesIsHarmless(t *testing.T) {
	const processes = 4
	path := newPath(t)
	children := make([]*proctest.Process, processes)
	for i := range children {
		children[i] = proctest.Start(t, "read and lock", path)
		children[i].Expect("ready")
	}
	for _, child := range children {
		child.Order("go")
	}
	for _, child := range children {
		child.Expect("turns true")
	}
	proctest.FinishAll(children)

	s, err := OpenStore(t.Context(), path, nil)
	require.NoError(t, err)
	m := backend.New(s, nil)
	defer func() { require.NoError(t, m.Close()) }()
	checkIntegrity(t, s)
	checkState(t, s)
	report, err := audit.Replay(m.History(t.Context(), lease.Query{All: true}), nil)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	t.Log(report.Summary)
}

// A file that is no longer the one that was opened is refused by every call, and
// said to be.
func TestFileRemoved(t *testing.T) {
	path := newPath(t)
	m := mustManager(t, path, nil)
	l, err := m.TryAcquire(t.Context(), lease.Request{Holder: "h", Claims: lease.Paths("a")})
	require.NoError(t, err)
	for _, suffix := range []string{"", "-wal", "-shm", "-gate"} {
		require.NoError(t, os.Remove(path+suffix))
	}
	other, err := Open(t.Context(), path, nil) // git clean -fdx, and somebody begins anew
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()

	_, get := m.Get(t.Context(), l.ID)
	_, renew := m.Renew(t.Context(), l.Ref(), 0)
	_, try := m.TryAcquire(t.Context(), lease.Request{Holder: "h", Claims: lease.Paths("b")})
	_, stats := m.Stats(t.Context())
	for _, err := range []error{get, renew, try, stats, m.Release(t.Context(), l.Ref())} {
		require.ErrorIs(t, err, lease.ErrUnavailable)
		var problem *FileError
		require.ErrorAs(t, err, &problem)
		require.Equal(t, FileReplaced, problem.Problem)
		require.Equal(t, path, problem.Path)
	}
}
