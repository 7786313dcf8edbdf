package cli_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A store that cannot be used is exit status 69, with what to do next.
func TestBrokenStores(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	require.NoError(t, os.WriteFile(garbage, []byte(strings.Repeat("garbage ", 1000)), 0o600))
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, refused.Close())
	for name, store := range map[string]string{
		"garbage":        garbage,
		"a folder":       dir,
		"no folder":      filepath.Join(dir, "none", "leases.db"),
		"below a file":   filepath.Join(garbage, "leases.db"),
		"nobody there":   "redis://" + refused.Addr().String() + "/0?max_retries=-1",
		"no such host":   "redis://host.invalid:1/0?max_retries=-1",
		"unparseable":    "redis://[::1",
		"odd parameter":  "redis://127.0.0.1:1/0?nonsense=1",
		"no PostgreSQL":  "postgres://user:geheim@" + refused.Addr().String() + "/leases?connect_timeout=2",
		"odd PostgreSQL": "postgres://user:geheim@[::1",
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t)
			for _, args := range [][]string{{"ls"}, {"run", "a", "--", "echo", "not run"}, {"ls", "-o", "json"}} {
				r := tr.run(append([]string{"--store", store}, args...)...)
				require.Equal(t, 69, r.status, r.err)
				require.Contains(t, r.err, "next: ")
				require.NotContains(t, r.out, "not run")
				require.NotContains(t, r.out+r.err, "geheim")
				for line := range strings.Lines(r.err) {
					require.Regexp(t, `^(leasekit: |next: |\\t)`, line, "a library writes there too")
				}
				if args[len(args)-1] == "json" {
					var answer struct {
						Error struct{ Code, Message, Next string }
					}
					require.NoError(t, json.Unmarshal([]byte(r.out), &answer))
					require.Equal(t, "unavailable", answer.Error.Code)
					require.NotEmpty(t, answer.Error.Next)
				}
			}
		})
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	for _, store := range []string{
		"redis://user:geheim@127.0.0.1:1/0?max_retries=-1", "redis://user:geheim@[::1", "redis://:geheim@127.0.0.1:1/0?nonsense=1",
		"redis://127.0.0.1:1?master_name=m&sentinel_password=geheim&max_retries=-1", "geheim://x",
		"etcd://user:geheim@127.0.0.1:1",
	} {
		r := tr.run("--store", store, "ls")
		require.NotZero(t, r.status)
		if !strings.HasPrefix(store, "geheim") {
			require.NotContains(t, r.err, "geheim", store)
		}
	}
}

func TestConfigurationFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text   string
		status int
		says   string
	}{
		"empty":            {"", 69, "bad configuration file"},
		"garbage":          {"\x00\xff", 69, "bad configuration file"},
		"no object":        {"[]", 69, "bad configuration file"},
		"two values":       {"{}{}", 69, "more than one"},
		"unknown field":    {`{"stroe": "x"}`, 69, "stroe"},
		"bad worktrees":    {`{"worktrees": "both"}`, 69, "worktrees"},
		"huge":             {strings.Repeat(" ", 2<<20), 69, "more than"},
		"nothing":          {"{}", 0, ""},
		"in the tree":      {`{"store": "sub.db"}`, 0, ""},
		"above the tree":   {`{"store": "../sub.db"}`, 69, "leasekit allow"},
		"elsewhere":        {`{"store": "/tmp/leasekit-test-consent.db"}`, 69, "leasekit allow"},
		"another host":     {`{"store": "redis://192.0.2.1:1"}`, 69, "leasekit allow"},
		"unknown kind":     {`{"store": "ftp://x"}`, 69, "unknown kind"},
		"NUL":              {`{"store": "a\u0000b"}`, 69, "NUL"},
		"through a link":   {`{"store": "link/x.db"}`, 69, "leasekit allow"},
		"bad namespace":    {`{"namespace": "` + strings.Repeat("n", 200) + `"}`, 64, "namespace"},
		"in the git store": {`{"namespace": "other"}`, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t)
			require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(tr.dir, "link")))
			require.NoError(t, os.WriteFile(filepath.Join(tr.dir, ".leasekit.json"), []byte(c.text), 0o600))
			r := tr.run("ls")
			require.Equal(t, c.status, r.status, r.err)
			require.Contains(t, r.err, c.says)
			require.Zero(t, tr.run("--help").status)
		})
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	outside := filepath.Join(t.TempDir(), "out.db")
	config := filepath.Join(tr.dir, ".leasekit.json")
	write := func(store string) {
		b, err := json.Marshal(map[string]string{"store": store})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(config, b, 0o600))
	}
	write(outside)
	require.Equal(t, 69, tr.run("ls").status)
	require.NoFileExists(t, outside)
	tr.ok("--store", filepath.Join(tr.dir, "mine.db"), "ls")
	tr.ok("allow")
	tr.ok("ls")
	require.FileExists(t, outside)
	write(outside + "2")
	require.Equal(t, 69, tr.run("ls").status, "consent is to one store")
	write(outside)
	tr.ok("ls")
	require.NoError(t, os.Remove(config))
	require.Equal(t, 1, tr.run("allow").status)
}

func TestReadOnlyGitDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		readOnlyByMount(t)
		return
	}
	tr := newTree(t)
	require.NoError(t, os.Chmod(filepath.Join(tr.dir, ".git"), 0o500))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(tr.dir, ".git"), 0o700) })
	r := tr.run("run", "a", "--", "echo", "not run")
	require.Equal(t, 69, r.status)
	require.Contains(t, r.err, "next: make the file and its folder writable")
}

// readOnlyByMount is for root, whom no mode keeps from writing: /proc does.
func readOnlyByMount(t *testing.T) {
	tr := newTree(t)
	r := tr.run("--store", "/proc/leases.db", "run", "a", "--", "echo", "not run")
	require.Equal(t, 69, r.status)
	require.Contains(t, r.err, "next: ")
	require.Empty(t, r.out)
}

func TestTerminalsAreSafe(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	evil := "evil\x1b[2Jname\u202e"
	first := tr.holder("--holder", evil, "--label", "why=\x1b]0;title\a\nsecond line", "--raw", "p\x1b[31m\nq")
	for _, args := range [][]string{
		{"ls"}, {"ls", "-o", "wide"}, {"history", "-o", "wide"}, {"who", "--raw", "p\x1b[31m\nq"}, {"why", "--raw", "p\x1b[31m\nq"},
		{"check", "--raw", "p\x1b[31m\nq"}, {"run", "-n", "--raw", "p\x1b[31m\nq", "--", "true"}, {"ls", "-o", "name"}, {"no\x1bsuch"},
	} {
		r := tr.run(args...)
		require.NotContains(t, r.out+r.err, "\x1b", "%q", args)
		require.NotContains(t, r.out+r.err, "\u202e", "%q", args)
	}
	var all []struct{ Holder string }
	require.NoError(t, json.Unmarshal([]byte(tr.ok("ls", "-o", "json")), &all))
	require.Equal(t, evil, all[0].Holder, "programs get it as it is")
	first.stop()
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	tr := newTree(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Logf("no /dev/full here: %v", err)
		return
	}
	defer full.Close()
	for _, args := range [][]string{{"acquire", "a"}, {"config", "get"}, {"stats"}, {"check", "a"}} {
		c := tr.command(args...)
		c.Stdout = full
		require.NoError(t, c.Start())
		require.Equal(t, 1, tr.wait(c), "%q", args)
	}
	require.Empty(t, tr.ok("ls", "-o", "name"), "a lease that nobody was told of is released")
}
