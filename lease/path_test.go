package lease_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func TestCleanPath(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "/a//b/./c/": "a/b/c", "./a": "a", "a/": "a", "/": "/", ".": "/", "./": "/", "A/a": "A/a", "a b\n": "a b\n",
	} {
		got, err := lease.CleanPath(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{
		"", "..", "a/../b", "a\x00b", "\xff", strings.Repeat("a", lease.MaxPathBytes+1), strings.Repeat("a/", lease.MaxPathDepth) + "a",
	} {
		_, err := lease.CleanPath(in)
		require.ErrorIs(t, err, lease.ErrInvalid, "%q", in)
	}
}

func FuzzCleanPath(f *testing.F) {
	for _, s := range []string{"a/b", "/", "//a/./b/", "..", "a\x00", "\xff", "é/./ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		clean, err := lease.CleanPath(in)
		if err != nil {
			require.ErrorIs(t, err, lease.ErrInvalid)
			return
		}
		again, err := lease.CleanPath(clean)
		require.NoError(t, err)
		require.Equal(t, clean, again)
		if clean == lease.Root {
			return
		}
		for part := range strings.SplitSeq(clean, "/") {
			require.NotContains(t, []string{"", ".", ".."}, part)
		}
		parent, ok := lease.Parent(clean)
		require.True(t, ok)
		require.True(t, lease.Below(clean, parent))
		require.True(t, lease.Below(clean, lease.Root))
	})
}

func TestFilePath(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "a", "b"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "a", "b", "f"), nil, 0o644))
	require.NoError(t, os.Symlink("a/b", filepath.Join(root, "link")))
	require.NoError(t, os.Symlink("a/new", filepath.Join(root, "dangling")))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "out")))
	require.NoError(t, os.Symlink("loop", filepath.Join(root, "loop")))
	for name, want := range map[string]string{
		"a/b/f": "a/b/f", "./a/../a/b/f": "a/b/f", "link/f": "a/b/f", "link/../b/f": "a/b/f", "a/b/none": "a/b/none",
		"none/at/all": "none/at/all", "dangling": "a/new", "dangling/x": "a/new/x", ".": "/",
		filepath.Join(root, "a", "b", "f"): "a/b/f",
	} {
		got, err := lease.FilePath(root, name)
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
	}
	for _, name := range []string{"", "..", "../x", "out", "out/x", "a/../../x", filepath.Join(outside, "x")} {
		_, err := lease.FilePath(root, name)
		require.ErrorIs(t, err, lease.ErrInvalid, name)
	}
	_, err := lease.FilePath(root, "loop")
	require.Error(t, err)
}
