package fencefile_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/fencefile"
)

func open(t testing.TB, root string) *fencefile.Dir {
	t.Helper()
	d, err := fencefile.Open(root)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// ref is one of a lease with this token.
func ref(token lease.Token) lease.Ref { return lease.Ref{ID: "id", Holder: "a", Token: token} }

func content(t testing.TB, root, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(b)
}

func requireStale(t testing.TB, err error, want fencefile.StaleError) {
	t.Helper()
	require.ErrorIs(t, err, fencefile.ErrStale)
	var stale *fencefile.StaleError
	require.ErrorAs(t, err, &stale)
	require.Equal(t, want, *stale)
}

func TestOlderTokenIsRefused(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	ctx := t.Context()
	require.NoError(t, d.WriteFile(ctx, ref(5), "f", []byte("five"), 0o644))
	require.NoError(t, d.WriteFile(ctx, ref(5), "f", []byte("five again"), 0o644))
	require.NoError(t, d.WriteFile(ctx, ref(7), "f", []byte("seven"), 0o644))

	another := open(t, root) // as another process has
	err := another.WriteFile(ctx, ref(6), "./f", []byte("six"), 0o644)
	requireStale(t, err, fencefile.StaleError{Op: "write", Path: "f", Token: 6, Newest: 7})
	require.EqualError(t, err, `fencefile: write "f": stale token 6: 7 has been used`)
	require.Equal(t, "seven", content(t, root, "f"))

	_, err = another.ReadFile(ctx, ref(6), "f")
	requireStale(t, err, fencefile.StaleError{Op: "read", Path: "f", Token: 6, Newest: 7})
	err = another.Remove(ctx, ref(6), "f")
	requireStale(t, err, fencefile.StaleError{Op: "remove", Path: "f", Token: 6, Newest: 7})
	require.Equal(t, "seven", content(t, root, "f"))

	require.NoError(t, another.WriteFile(ctx, ref(1), "g", nil, 0o644), "each path has a fence of its own")
}

// A holder that reads in order to write must not lose what an older one writes
// in between.
func TestReadingShutsOutOlderTokens(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	ctx := t.Context()
	require.NoError(t, d.WriteFile(ctx, ref(1), "f", []byte("one"), 0o644))
	got, err := d.ReadFile(ctx, ref(2), "f")
	require.NoError(t, err)
	require.Equal(t, "one", string(got))
	require.ErrorIs(t, d.WriteFile(ctx, ref(1), "f", []byte("late"), 0o644), fencefile.ErrStale)
	require.NoError(t, d.WriteFile(ctx, ref(2), "f", append(got, " two"...), 0o644))
	require.Equal(t, "one two", content(t, root, "f"))

	_, err = d.ReadFile(ctx, ref(4), "not there yet")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, d.WriteFile(ctx, ref(3), "not there yet", nil, 0o644), fencefile.ErrStale)
}

func TestRemoveIsRemembered(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	ctx := t.Context()
	require.NoError(t, d.WriteFile(ctx, ref(1), "f", []byte("one"), 0o644))
	require.NoError(t, d.Remove(ctx, ref(2), "f"))
	require.NoFileExists(t, filepath.Join(root, "f"))
	require.ErrorIs(t, d.WriteFile(ctx, ref(1), "f", []byte("late"), 0o644), fencefile.ErrStale)
	require.NoFileExists(t, filepath.Join(root, "f"))
	require.ErrorIs(t, d.Remove(ctx, ref(2), "f"), fs.ErrNotExist)
}

func TestNewest(t *testing.T) {
	d := open(t, t.TempDir())
	ctx := t.Context()
	for _, token := range []lease.Token{0, 3, 4, 1<<64 - 1} {
		if token > 0 {
			require.NoError(t, d.WriteFile(ctx, ref(token), "f", nil, 0o644))
		}
		newest, err := d.Newest(ctx, "f")
		require.NoError(t, err)
		require.Equal(t, token, newest)
	}
}

// All spellings of a file are one path, and none leads out or into the fence.
func TestNames(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	d := open(t, root)
	ctx := t.Context()
	require.NoError(t, os.Mkdir(filepath.Join(root, "dir"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(root, "empty"), 0o755))
	require.NoError(t, os.Symlink("dir/f", filepath.Join(root, "link")))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "out")))
	require.NoError(t, d.WriteFile(ctx, ref(9), "link", []byte("nine"), 0o644))
	require.Equal(t, "nine", content(t, root, "dir/f"))
	for _, name := range []string{"dir/f", "./dir//f", "dir/../dir/f", filepath.Join(root, "dir/f"), "link"} {
		require.ErrorIs(t, d.WriteFile(ctx, ref(8), name, nil, 0o644), fencefile.ErrStale, name)
	}
	info, err := os.Lstat(filepath.Join(root, "link"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&fs.ModeSymlink, "the link is still one")

	for _, name := range []string{"", ".", "..", "../f", "out/f", filepath.Join(outside, "f"), "dir", "empty", ".leasekit", ".leasekit/fence/x"} {
		require.ErrorIs(t, d.WriteFile(ctx, ref(9), name, nil, 0o644), lease.ErrInvalid, name)
		_, err := d.ReadFile(ctx, ref(9), name)
		require.ErrorIs(t, err, lease.ErrInvalid, name)
		require.ErrorIs(t, d.Remove(ctx, ref(9), name), lease.ErrInvalid, name)
	}
	require.DirExists(t, filepath.Join(root, "empty"))
	require.ErrorIs(t, d.WriteFile(ctx, ref(9), "missing/f", nil, 0o644), fs.ErrNotExist)
	require.ErrorIs(t, d.WriteFile(ctx, ref(0), "f", nil, 0o644), lease.ErrInvalid)
}

func TestPermissions(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	ctx := t.Context()
	require.NoError(t, d.WriteFile(ctx, ref(1), "new", nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(root, "old"), nil, 0o755))
	require.NoError(t, os.Chmod(filepath.Join(root, "old"), 0o777))
	require.NoError(t, d.WriteFile(ctx, ref(1), "old", []byte("#!"), 0o600))
	for name, want := range map[string]fs.FileMode{"new": 0o600, "old": 0o777} {
		info, err := os.Stat(filepath.Join(root, name))
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), name)
	}
}

func TestMisuse(t *testing.T) {
	ctx := t.Context()
	var none *fencefile.Dir
	for _, d := range []*fencefile.Dir{none, {}} {
		require.ErrorIs(t, d.WriteFile(ctx, ref(1), "f", nil, 0o644), lease.ErrInvalid)
		_, err := d.Newest(ctx, "f")
		require.ErrorIs(t, err, lease.ErrInvalid)
		require.NoError(t, d.Close())
	}
	_, err := fencefile.Open(filepath.Join(t.TempDir(), "missing"))
	require.ErrorIs(t, err, fs.ErrNotExist)

	root := t.TempDir()
	d, err := fencefile.Open(root)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
	require.ErrorIs(t, d.WriteFile(ctx, ref(1), "f", nil, 0o644), os.ErrClosed)
	require.NoFileExists(t, filepath.Join(root, "f"))

	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, open(t, root).WriteFile(ended, ref(1), "f", nil, 0o644), context.Canceled)
	require.NoFileExists(t, filepath.Join(root, "f"))
}

// Many writers with tokens in random order: what was written last bears the
// newest token of all, and every success was, in its turn, the newest.
func TestConcurrentWriters(t *testing.T) {
	root := t.TempDir()
	ctx := t.Context()
	tokens := rand.Perm(60)
	var group sync.WaitGroup
	for part := range 4 {
		d := open(t, root)
		group.Go(func() {
			for i := part; i < len(tokens); i += 4 {
				token := lease.Token(tokens[i] + 1)
				err := d.WriteFile(ctx, ref(token), "f", fmt.Appendf(nil, "%d", token), 0o644)
				if err != nil && !errors.Is(err, fencefile.ErrStale) {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.Equal(t, fmt.Sprint(len(tokens)), content(t, root, "f"))
	left, err := filepath.Glob(filepath.Join(root, ".leasekit-*"))
	require.NoError(t, err)
	require.Empty(t, left, "no temporary file stays behind")
}

// Waiting for a turn ends with the context.
func TestTurnIsBoundedByContext(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	turn, err := fencefile.TakeTurn(d, "f")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, d.WriteFile(ctx, ref(1), "f", nil, 0o644), context.DeadlineExceeded)
	require.NoError(t, d.WriteFile(t.Context(), ref(1), "g", nil, 0o644), "other paths are not in the way")
	require.NoError(t, turn.Close())
	require.NoError(t, d.WriteFile(t.Context(), ref(1), "f", nil, 0o644))
}
