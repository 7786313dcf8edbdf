package open_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/stores"
	"github.com/leasekit/leasekit/lease"
)

// repository makes a git directory by hand, as git lays it out, with one linked
// work tree. It returns both work trees.
func repository(t *testing.T) (main, linked string) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	main, linked = filepath.Join(root, "main"), filepath.Join(root, "linked")
	admin := filepath.Join(main, ".git", "worktrees", "topic")
	for _, dir := range []string{admin, filepath.Join(main, "sub"), filepath.Join(linked, "sub")} {
		require.NoError(t, os.MkdirAll(dir, 0o755))
	}
	write(t, filepath.Join(main, ".git", "HEAD"), "ref: refs/heads/main\n")
	write(t, filepath.Join(admin, "HEAD"), "ref: refs/heads/topic\n")
	write(t, filepath.Join(admin, "commondir"), "../..\n")
	write(t, filepath.Join(linked, ".git"), "gitdir: "+admin+"\n")
	return main, linked
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

func environment(pairs map[string]string) func(string) string {
	return func(key string) string { return pairs[key] }
}

func locate(t *testing.T, dir string, env map[string]string) open.Location {
	t.Helper()
	l, err := open.Locate(open.Options{Dir: dir, Getenv: environment(env), Stores: stores.All})
	require.NoError(t, err)
	return l
}

func TestLinkedWorkTreesShareTheStore(t *testing.T) {
	main, linked := repository(t)
	a, b := locate(t, filepath.Join(main, "sub"), nil), locate(t, linked, nil)
	require.Equal(t, a.URL, b.URL)
	require.Equal(t, "sqlite:"+filepath.Join(main, ".git", "leasekit", "leases.db"), a.URL)
	require.Equal(t, open.FromGit, a.Source)
	for _, c := range []struct {
		from open.Location
		name string
		path string
	}{
		{a, "f", "sub/f"}, {a, "../f", "f"}, {a, "..", "/"}, {a, filepath.Join(main, "f"), "f"},
		{b, "f", "@worktree/topic/f"}, {b, "sub/../f", "@worktree/topic/f"}, {b, ".", "@worktree/topic"},
		{a, filepath.Join(linked, "f"), "@worktree/topic/f"}, // the same file, seen from elsewhere
		{b, filepath.Join(main, "f"), "f"},
	} {
		got, err := c.from.Path(c.name)
		require.NoError(t, err, c.name)
		require.Equal(t, c.path, got, "%s from %s", c.name, c.from.Dir)
	}
	for _, outside := range []string{"../../outside", "/etc/passwd", ""} {
		_, err := a.Path(outside)
		require.ErrorIs(t, err, lease.ErrInvalid, outside)
	}
}

func TestSharedWorkTrees(t *testing.T) {
	main, linked := repository(t)
	for _, dir := range []string{main, linked} {
		write(t, filepath.Join(dir, open.ConfigName), `{"worktrees": "shared"}`)
		got, err := locate(t, dir, nil).Path("f")
		require.NoError(t, err)
		require.Equal(t, "f", got)
	}
	got, err := locate(t, main, nil).Path(filepath.Join(linked, "f"))
	require.NoError(t, err)
	require.Equal(t, "f", got)
}

func TestWhichStore(t *testing.T) {
	main, _ := repository(t)
	elsewhere, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	home := map[string]string{"HOME": "/home/somebody"}

	l := locate(t, elsewhere, home)
	require.Equal(t, "sqlite:/home/somebody/.local/state/leasekit/leases.db", l.URL)
	require.Equal(t, "/", l.Root)
	require.Equal(t, open.FromUser, l.Source)
	l = locate(t, elsewhere, map[string]string{"XDG_STATE_HOME": "/state"})
	require.Equal(t, "sqlite:/state/leasekit/leases.db", l.URL)

	write(t, filepath.Join(main, open.ConfigName), `{"store": "own.db", "namespace": "n"}`)
	l = locate(t, filepath.Join(main, "sub"), home)
	require.Equal(t, "sqlite:"+filepath.Join(main, "own.db"), l.URL)
	require.Equal(t, "n", l.Namespace)
	require.Equal(t, open.FromConfig, l.Source)
	path, err := l.Path("f")
	require.NoError(t, err)

	l = locate(t, filepath.Join(main, "sub"), map[string]string{open.EnvStore: "redis://x/1", open.EnvNamespace: "m"})
	require.Equal(t, "redis://x/1", l.URL)
	require.Equal(t, "m", l.Namespace)
	same, err := l.Path("f")
	require.NoError(t, err)
	require.Equal(t, path, same, "whoever chose the store")

	l, err = open.Locate(open.Options{Dir: main, Store: "sub/x.db", Namespace: "flag", Getenv: environment(map[string]string{open.EnvStore: "y"})})
	require.NoError(t, err)
	require.Equal(t, "sqlite:"+filepath.Join(main, "sub", "x.db"), l.URL)
	require.Equal(t, "flag", l.Namespace)
	require.Equal(t, open.FromFlag, l.Source)
}

func TestBrokenGitIsNoWorkTree(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "garbage": "\x00\x01", "to nothing": "gitdir: /does/not/exist\n", "huge": "gitdir: " + strings.Repeat("x", 1<<20),
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, ".git"), text)
		require.Nil(t, locate(t, dir, map[string]string{"HOME": dir}).Git, name)
	}
	_, err := open.Locate(open.Options{Dir: filepath.Join(t.TempDir(), "gone")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestNestedRepositoryHasItsOwnStore(t *testing.T) {
	main, _ := repository(t)
	nested := filepath.Join(main, "vendor", "other")
	require.NoError(t, os.MkdirAll(filepath.Join(nested, ".git"), 0o755))
	write(t, filepath.Join(nested, ".git", "HEAD"), "ref: refs/heads/main\n")
	require.NotEqual(t, locate(t, main, nil).URL, locate(t, nested, nil).URL)
	path, err := locate(t, main, nil).Path("vendor/other/f")
	require.NoError(t, err)
	require.Equal(t, "vendor/other/f", path)
}

func TestRedacted(t *testing.T) {
	for in, out := range map[string]string{
		"sqlite:/a/b.db":            "/a/b.db",
		"redis://u:secret@h:1/0":    "redis://u:xxxxx@h:1/0",
		"redis://h?my_password=abc": "redis://h?my_password=xxxxx",
		"redis://[secret":           "redis:(unreadable)",
	} {
		require.Equal(t, out, open.Redacted(in), in)
	}
}

// A configuration file may say anything: it is understood or refused, and its
// store, if it needs no consent, is inside of its folder.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"store":"a.db"}`, `{"store":"../a.db"}`, `{"store":"sqlite:///etc/x"}`, `{"store":"redis://h"}`, `{"hook":{}}`, `{"store":"C:\\x"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		require.NoError(t, err)
		write(t, filepath.Join(dir, open.ConfigName), text)
		l, err := open.Locate(open.Options{Dir: dir, Getenv: environment(map[string]string{"HOME": "/nowhere"}), Stores: stores.All})
		if err != nil || l.Source != open.FromConfig {
			return
		}
		name, ok := open.File(l.URL)
		require.True(t, ok, "%q leads to %q without consent", text, l.URL)
		_, err = lease.FilePath(dir, name)
		require.NoError(t, err, "%q leads to %q without consent", text, l.URL)
	})
}

// No name makes a path that is not in normal form, or that leaves the tree.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"a", "../x", "a/../..", ".", "/", "a//b", "\xff", "@worktree/x/y", strings.Repeat("a/", 200)} {
		f.Add(seed)
	}
	dir := f.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, ".git"), 0o755); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".git", "HEAD"), nil, 0o600); err != nil {
		f.Fatal(err)
	}
	l, err := open.Locate(open.Options{Dir: dir})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, err := l.Path(name)
		if err != nil {
			return
		}
		clean, err := lease.CleanPath(path)
		require.NoError(t, err)
		require.Equal(t, clean, path)
	})
}

func BenchmarkLocate(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "a", "b", "c")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := open.Locate(open.Options{Dir: dir, Getenv: environment(map[string]string{"HOME": "/nowhere"}), Stores: stores.All}); err != nil {
			b.Fatal(err)
		}
	}
}
