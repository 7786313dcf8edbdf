package fencefile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/fencefile"
)

// link makes a symbolic link, and the directories above it.
func link(t *testing.T, target, name string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.Symlink(target, name))
}

// A link that came with a checkout, in place of what is the fence's own, is not
// followed: nothing is made, changed or removed where it leads.
func TestPlantedLinks(t *testing.T) {
	for name, target := range map[string]string{
		".leasekit":            "elsewhere",
		".leasekit/fence":      "../elsewhere",
		".leasekit/.gitignore": "../elsewhere/precious",
		".leasekit/fence/" + fencefile.NameOf("f"):  "../../elsewhere/precious",
		".leasekit/fence/" + fencefile.NameOf("f "): "../../elsewhere/new",
		fencefile.TemporaryOf("f"):                  "elsewhere/precious",
	} {
		t.Run(name, func(t *testing.T) {
			root, outside := t.TempDir(), t.TempDir()
			for _, elsewhere := range []string{filepath.Join(root, "elsewhere"), outside} {
				require.NoError(t, os.MkdirAll(filepath.Join(elsewhere, "fence"), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "precious"), []byte("precious"), 0o644))
			}
			link(t, target, filepath.Join(root, name))
			d, err := fencefile.Open(root)
			if err == nil {
				defer d.Close()
				for _, file := range []string{"f", "f "} {
					err = d.WriteFile(t.Context(), ref(1), file, []byte("x"), 0o644)
					if err != nil {
						_, newest := d.Newest(t.Context(), file)
						require.ErrorIs(t, newest, fencefile.ErrDamaged)
						break
					}
				}
			}
			if harmless := name == ".leasekit/.gitignore" || name == fencefile.TemporaryOf("f"); !harmless {
				require.ErrorIs(t, err, fencefile.ErrDamaged)
				require.ErrorContains(t, err, "symbolic link")
			} else {
				require.NoError(t, err)
			}
			for _, elsewhere := range []string{filepath.Join(root, "elsewhere"), outside} {
				require.Equal(t, "precious", content(t, elsewhere, "precious"))
				entries, err := os.ReadDir(elsewhere)
				require.NoError(t, err)
				require.Len(t, entries, 2)
				entries, err = os.ReadDir(filepath.Join(elsewhere, "fence"))
				require.NoError(t, err)
				require.Empty(t, entries)
			}
		})
	}
}

// Neither is a directory a file of tokens, nor a file the directory of them.
func TestPlantedKinds(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, ".leasekit"), nil, 0o644))
	_, err := fencefile.Open(root)
	require.ErrorIs(t, err, fencefile.ErrDamaged)

	root = t.TempDir()
	d := open(t, root)
	require.NoError(t, os.Mkdir(filepath.Join(root, ".leasekit", "fence", fencefile.NameOf("f")), 0o755))
	require.ErrorIs(t, d.WriteFile(t.Context(), ref(1), "f", nil, 0o644), fencefile.ErrDamaged)
	require.NoFileExists(t, filepath.Join(root, "f"))
	require.ErrorIs(t, d.WriteFile(t.Context(), ref(1), ".LeaseKit/fence/x", nil, 0o644), lease.ErrInvalid)
}

// A root that was renamed and made anew is noticed: other processes find the
// new one.
func TestMovedRoot(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	require.NoError(t, os.Mkdir(root, 0o755))
	d := open(t, root)
	require.NoError(t, d.WriteFile(t.Context(), ref(5), "f", []byte("five"), 0o644))
	require.NoError(t, os.Rename(root, root+"-old"))
	require.ErrorIs(t, d.WriteFile(t.Context(), ref(6), "f", nil, 0o644), fencefile.ErrMoved)
	require.NoError(t, os.Mkdir(root, 0o755))
	require.ErrorIs(t, d.WriteFile(t.Context(), ref(6), "f", nil, 0o644), fencefile.ErrMoved)
	_, err := d.ReadFile(t.Context(), ref(6), "f")
	require.ErrorIs(t, err, fencefile.ErrMoved)
	_, err = d.Newest(t.Context(), "f")
	require.ErrorIs(t, err, fencefile.ErrMoved)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Empty(t, entries)
	require.Equal(t, "five", content(t, root+"-old", "f"))
	require.NoError(t, open(t, root).WriteFile(t.Context(), ref(1), "f", nil, 0o644))
}

// A .leasekit that was removed takes its tokens with it. That is told, and not
// taken for a new directory.
func TestFenceRemoved(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	require.NoError(t, d.WriteFile(t.Context(), ref(5), "f", nil, 0o644))
	require.NoError(t, os.RemoveAll(filepath.Join(root, ".leasekit")))
	require.ErrorIs(t, d.WriteFile(t.Context(), ref(4), "f", nil, 0o644), fencefile.ErrDamaged)
	require.ErrorIs(t, d.WriteFile(t.Context(), ref(6), "f", nil, 0o644), fencefile.ErrDamaged)
}

// The turn is taken anew when its file was exchanged while it was waited for.
func TestTokensExchangedInAWait(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	turn, err := fencefile.TakeTurn(d, "f")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- d.WriteFile(t.Context(), ref(2), "f", []byte("two"), 0o644) }()
	tokens := filepath.Join(root, ".leasekit", "fence", fencefile.NameOf("f"))
	require.NoError(t, os.Rename(tokens, tokens+"-old"))
	require.NoError(t, <-done)
	require.NoError(t, turn.Close())
	newest, err := d.Newest(t.Context(), "f")
	require.NoError(t, err)
	require.EqualValues(t, 2, newest)
}

// Two stores that were split hand out the same token. Only the first passes.
func TestSameTokenOfTwoStores(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	first := lease.Ref{ID: "one", Holder: "a", Token: 9}
	require.NoError(t, d.WriteFile(t.Context(), first, "f", []byte("first"), 0o644))
	for _, other := range []lease.Ref{{ID: "two", Holder: "a", Token: 9}, {ID: "one", Holder: "b", Token: 9}} {
		err := d.WriteFile(t.Context(), other, "f", []byte("other"), 0o644)
		requireStale(t, err, fencefile.StaleError{Op: "write", Path: "f", Token: 9, Newest: 9})
		require.ErrorContains(t, err, "another lease has used the same one")
		_, err = d.ReadFile(t.Context(), other, "f")
		require.ErrorIs(t, err, fencefile.ErrStale)
		require.ErrorIs(t, d.AppendFile(t.Context(), other, "f", nil, 0o644), fencefile.ErrStale)
		require.ErrorIs(t, d.Remove(t.Context(), other, "f"), fencefile.ErrStale)
	}
	require.NoError(t, d.WriteFile(t.Context(), first, "f", []byte("first again"), 0o644))
	require.Equal(t, "first again", content(t, root, "f"))
	for _, bad := range []lease.Ref{{}, {ID: "i", Holder: "h"}, {ID: "i", Token: 10}, {Holder: "h", Token: 10}} {
		require.ErrorIs(t, d.WriteFile(t.Context(), bad, "f", nil, 0o644), lease.ErrInvalid)
	}
}

// What is appended comes after what is there, which is not written anew.
func TestAppend(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	name := filepath.Join(root, "log")
	require.NoError(t, d.AppendFile(t.Context(), ref(1), "log", []byte("one\n"), 0o600))
	before, err := os.Stat(name)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, before.Mode().Perm())
	require.NoError(t, d.AppendFile(t.Context(), ref(2), "log", []byte("two\n"), 0o644))
	require.ErrorIs(t, d.AppendFile(t.Context(), ref(1), "log", []byte("late\n"), 0o644), fencefile.ErrStale)
	after, err := os.Stat(name)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
	require.Equal(t, "one\ntwo\n", content(t, root, "log"))

	require.NoError(t, os.Mkdir(filepath.Join(root, "dir"), 0o755))
	require.ErrorIs(t, d.AppendFile(t.Context(), ref(1), "dir", nil, 0o644), lease.ErrInvalid)
	require.NoError(t, d.WriteFile(t.Context(), ref(3), "log", bytes.Repeat([]byte("x"), 10), 0o644))
	require.NoError(t, d.AppendFile(t.Context(), ref(3), "log", []byte("y"), 0o644))
	require.Equal(t, "xxxxxxxxxxy", content(t, root, "log"))
}
