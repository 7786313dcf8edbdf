package sqlitedb

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/proctest"
)

func init() {
	roles["lock"] = func(path string, orders *bufio.Scanner) error {
		l, err := openFileLock(path)
		if err != nil {
			return err
		}
		for orders.Scan() {
			switch orders.Text() {
			case "lock":
				if err := l.lock(context.Background()); err != nil {
					return err
				}
			case "unlock":
				l.unlock()
			}
			proctest.Say("done")
		}
		return l.close()
	}
}

func mustOpenFileLock(t testing.TB, path string) *fileLock {
	t.Helper()
	if !flockWorks {
		t.Skip("no flock on this system")
	}
	database, err := os.OpenFile(path, os.O_CREATE, 0o600)
	require.NoError(t, err)
	require.NoError(t, database.Close())
	l, err := openFileLock(path)
	require.NoError(t, err)
	return l
}

// locked reports whether the lock can be had within a moment.
func locked(t testing.TB, l *fileLock) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := l.lock(ctx)
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	return err == nil
}

func TestFileLockBetweenProcesses(t *testing.T) {
	path := newPath(t)
	l := mustOpenFileLock(t, path)
	child := proctest.Start(t, "lock", path)
	child.Tell("lock")
	require.False(t, locked(t, l))
	require.False(t, locked(t, l), "while an earlier attempt still waits in the kernel")
	child.Tell("unlock")
	require.NoError(t, l.lock(t.Context()))
	l.unlock()

	child.Tell("lock")
	child.Kill()
	require.NoError(t, l.lock(t.Context()), "the lock has gone with its process")

	next := proctest.Start(t, "lock", path)
	next.Order("lock")
	l.unlock()
	next.Expect("done")
	next.Tell("unlock")
	next.Finish()
	require.NoError(t, l.close())
}

func TestFileLockCloseWhileAnotherProcessIsInside(t *testing.T) {
	path := newPath(t)
	l := mustOpenFileLock(t, path)
	child := proctest.Start(t, "lock", path)
	child.Tell("lock")
	require.False(t, locked(t, l)) // leaves a goroutine waiting in the kernel
	start := time.Now()
	require.NoError(t, l.close())
	require.GreaterOrEqual(t, time.Since(start), lockPatience)

	// When the other process leaves, what was left behind does not keep the
	// lock.
	child.Tell("unlock")
	again := mustOpenFileLock(t, path)
	require.NotSame(t, l, again)
	require.NoError(t, again.lock(t.Context()))
	again.unlock()
	require.NoError(t, again.close())
	require.Eventually(t, func() bool {
		_, err := l.file.Stat()
		return errors.Is(err, os.ErrClosed)
	}, 5*time.Second, time.Millisecond, "nor the file open")
}

func TestFileLockIsSharedInOneProcess(t *testing.T) {
	path := newPath(t)
	first := mustOpenFileLock(t, path)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(filepath.Dir(path), link))
	second := mustOpenFileLock(t, filepath.Join(link, filepath.Base(path)))
	require.Same(t, first, second, "whatever the path")
	other := mustOpenFileLock(t, newPath(t))
	require.NotSame(t, first, other)

	require.NoError(t, first.lock(t.Context()))
	require.False(t, locked(t, second))
	require.True(t, locked(t, other))
	other.unlock()
	first.unlock()

	require.NoError(t, first.close())
	require.True(t, locked(t, second), "it is still open for the second")
	second.unlock()
	require.NoError(t, second.close())
	require.NoError(t, other.close())
	fileLocks.mutex.Lock()
	defer fileLocks.mutex.Unlock()
	require.NotContains(t, fileLocks.open, first)
	require.NotContains(t, fileLocks.open, other)
}

func TestFileLockInMemory(t *testing.T) {
	l, err := openFileLock("")
	require.NoError(t, err)
	require.NoError(t, l.lock(t.Context()))
	require.NoError(t, l.lock(t.Context()), "always open")
	l.unlock()
	require.NoError(t, l.close())
}
