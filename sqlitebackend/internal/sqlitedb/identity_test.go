//go:build unix

package sqlitedb

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/lease"
)

// A file that is not the one that was opened is noticed in the next batch and
// in the next look, whatever happened to it, and is good again when it is back.
func TestFileIsNotWhatItWas(t *testing.T) {
	for name, c := range map[string]struct {
		suffix  string
		change  func(path string) error
		undo    func(path string) error
		problem FileProblem
	}{
		"removed":  {change: os.Remove, problem: Removed},
		"moved":    {change: func(p string) error { return os.Rename(p, p+"~") }, undo: func(p string) error { return os.Rename(p+"~", p) }, problem: Removed},
		"replaced": {change: replace, problem: Replaced},
		"linked": {
			change: func(p string) error { return os.Link(p, p+"~") }, undo: func(p string) error { return os.Remove(p + "~") },
			problem: SecondName,
		},
		"wal removed":  {suffix: "-wal", change: os.Remove, problem: Removed},
		"wal replaced": {suffix: "-wal", change: replace, problem: Replaced},
	} {
		t.Run(name, func(t *testing.T) {
			d, w := newCounters(t, Hooks{})
			require.NoError(t, d.Check())
			path := d.file + c.suffix
			require.NoError(t, c.change(path))
			var problem *FileError
			for _, err := range []error{d.Check(), w.Do(t.Context(), Call{}, increment("a")), w.Do(t.Context(), Call{}, increment("a"))} {
				require.ErrorIs(t, err, lease.ErrUnavailable)
				require.ErrorAs(t, err, &problem)
				require.Equal(t, FileError{Path: path, Problem: c.problem}, *problem)
				require.ErrorContains(t, err, string(c.problem))
			}
			if c.undo != nil {
				require.NoError(t, c.undo(path))
				require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))
				require.Equal(t, 1, value(t, d, "a"))
			}
		})
	}
}

// replace puts a copy in the file's place, as editors and backups do.
func replace(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+"~", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+"~", path)
}

// A file that goes in the middle of a batch: nobody is told that it was kept.
func TestFileRemovedInsideBatch(t *testing.T) {
	d, w := newCounters(t, Hooks{})
	err := w.Do(t.Context(), Call{}, func(b *Batch) error {
		if err := increment("a")(b); err != nil {
			return err
		}
		return os.Remove(d.file)
	})
	require.ErrorIs(t, err, lease.ErrUnavailable)
	var problem *FileError
	require.ErrorAs(t, err, &problem)
}

// Who closes a database that was moved away leaves the files alone that are
// there now.
func TestCloseLeavesTheNewFilesAlone(t *testing.T) {
	path := newPath(t)
	old, err := Open(t.Context(), path, quick)
	require.NoError(t, err)
	w := NewWriter(old, Hooks{})
	require.NoError(t, w.Do(t.Context(), Call{}, createCounters))
	for _, suffix := range []string{"", "-wal", "-shm", "-gate"} {
		require.NoError(t, os.Rename(path+suffix, path+"~"+suffix))
	}
	d := mustOpen(t, path, quick)
	next := mustWriter(t, d, Hooks{})
	require.NoError(t, next.Do(t.Context(), Call{}, createCounters))
	require.NoError(t, next.Do(t.Context(), Call{}, increment("a")))
	require.NoError(t, w.Close())
	require.NoError(t, old.Close())
	require.NoError(t, next.Do(t.Context(), Call{}, increment("a")))
	require.Equal(t, 2, value(t, d, "a"))
}

func TestTwoNamesAreRefused(t *testing.T) {
	path := newPath(t)
	require.NoError(t, mustOpenAndClose(path))
	require.NoError(t, os.Link(path, path+"2"))
	for _, name := range []string{path, path + "2"} {
		_, err := Open(t.Context(), name, quick)
		var problem *FileError
		require.ErrorAs(t, err, &problem)
		require.Equal(t, SecondName, problem.Problem)
	}
	require.NoError(t, os.Remove(path+"2"))

	// A symbolic link is the same name in the end, and leads to the same files.
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	d, same := mustOpen(t, path, quick), mustOpen(t, link, quick)
	require.Same(t, d.lock, same.lock)
	one, two := mustWriter(t, d, Hooks{}), mustWriter(t, same, Hooks{})
	require.NoError(t, one.Do(t.Context(), Call{}, createCounters))
	require.NoError(t, two.Do(t.Context(), Call{}, increment("a")))
	require.Equal(t, 1, value(t, d, "a"))
}

func mustOpenAndClose(path string) error {
	d, err := Open(context.Background(), path, quick)
	if err != nil {
		return err
	}
	return d.Close()
}

// The side files are for whoever may use the database.
func TestSideFilesAreLikeTheDatabase(t *testing.T) {
	path := newPath(t)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chmod(path, 0o660)) // whatever the umask
	if os.Getuid() == 0 {
		require.NoError(t, os.Chown(path, 1234, 2345))
	}
	require.NoError(t, mustOpenFileLock(t, path).close())
	info, err := os.Stat(path + "-gate")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm())
	if os.Getuid() == 0 {
		owner := info.Sys().(*syscall.Stat_t)
		require.Equal(t, []uint32{1234, 2345}, []uint32{owner.Uid, owner.Gid})
	}
}

func TestNetworkFileSystem(t *testing.T) {
	require.Empty(t, networkFileSystem(t.TempDir()))
	if runtime.GOOS == "linux" {
		require.False(t, mountedAlone(newPath(t)))
	}
}

func TestAdoptRefusesSharedCache(t *testing.T) {
	pool := application(t, "file:"+newPath(t)+fullSettings+"&cache=shared", 5)
	_, err := Adopt(t.Context(), pool, Options{})
	require.ErrorIs(t, err, ErrUnsafeSettings)
	require.ErrorContains(t, err, "cache=shared")
	pool = application(t, "file:"+newPath(t)+fullSettings, 5)
	_, err = Adopt(t.Context(), pool, Options{})
	require.NoError(t, err)
}

// The application's own transaction keeps the lock: on a borrowed connection,
// whose waiting is SQLite's, a call ends with its context all the same, and the
// application gets its connection back as it was.
func TestBorrowedConnectionHearsOfTheContext(t *testing.T) {
	path := newPath(t)
	pool := application(t, "file:"+path+fullSettings, 2)
	d, err := Adopt(t.Context(), pool, Options{})
	require.NoError(t, err)
	w := mustWriter(t, d, Hooks{})
	require.NoError(t, w.Do(t.Context(), Call{}, createCounters))
	tx, err := pool.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("INSERT INTO counters VALUES ('mine', 1)")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	start := time.Now()
	require.ErrorIs(t, w.Do(ctx, Call{}, increment("a")), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 3*time.Second)
	require.NoError(t, tx.Rollback())
	takeAll(t, pool, 2)(func(connection bun.Conn) {
		require.Equal(t, "5000", pragma(t, connection, "busy_timeout"))
	})
}
