package cli_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func TestRunPassesTheStatusOn(t *testing.T) {
	tr := newTree(t)
	plain := filepath.Join(tr.dir, "plain")
	require.NoError(t, os.WriteFile(plain, []byte("no program"), 0o600))
	for command, status := range map[string]int{
		"exit 0": 0, "exit 7": 7, "exit 255": 255, "kill -KILL $$": 137, "kill -TERM $$": 143,
	} {
		require.Equal(t, status, tr.run("run", "a", "--", "sh", "-c", command).status, command)
	}
	require.Equal(t, 127, tr.run("run", "a", "--", "no-such-program").status)
	require.Equal(t, 127, tr.run("run", "a", "--", "./no-such-program").status)
	require.Equal(t, 126, tr.run("run", "a", "--", plain).status)
	require.Empty(t, tr.ok("ls", "-o", "name"), "each lease was released")
	tr.ok("audit")
}

func TestRunInAFreshTree(t *testing.T) {
	tr := newTree(t)
	require.Empty(t, tr.ok("run", "README.md", "--", "true"))
	info, err := os.Stat(filepath.Join(tr.dir, ".git", "leasekit"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "others cannot look into it")
}

func TestRunKeepsOthersOut(t *testing.T) {
	tr := newTree(t)
	first := tr.holder("--holder", "first", "a", "b")
	r := tr.run("run", "-n", "b", "--", "echo", "not run")
	require.Equal(t, 75, r.status)
	require.Empty(t, r.out)
	require.Contains(t, r.err, "b is held by first until ")
	require.Contains(t, r.err, "next: leasekit why --raw b")
	require.Equal(t, 3, tr.run("run", "-n", "-E", "3", "b", "--", "true").status)

	r = tr.run("run", "-w", "50ms", "b", "c", "--", "true")
	require.Equal(t, 75, r.status)
	require.Contains(t, r.err, "waits for b, c: b is held by first")
	require.Contains(t, r.err, "timed out")
	require.Equal(t, "true\n", tr.ok("run", "-n", "c", "--", "echo", "true"), "all or nothing")
	first.stop()
	tr.ok("run", "-n", "b", "--", "true")
}

func TestRunWaitsInLine(t *testing.T) {
	tr := newTree(t)
	m := tr.manager()
	first := tr.holder("a")
	second := tr.start("run", "a", "--", "echo", "second")
	tr.event(m, lease.KindQueued)
	first.stop()
	require.Equal(t, "second", second.line())
	require.Zero(t, second.end())
	tr.ok("audit")
}

func TestRunModesAndScopes(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	for name, c := range map[string]struct {
		first, second []string
		status        int
	}{
		"two exclusive":        {[]string{"a"}, []string{"a"}, 75},
		"two shared":           {[]string{"-s", "a"}, []string{"-s", "a"}, 0},
		"exclusive and shared": {[]string{"-x", "a"}, []string{"-s", "a"}, 75},
		"folder, not a tree":   {[]string{"d"}, []string{"d/f"}, 0},
		"tree by flag":         {[]string{"-t", "d"}, []string{"d/f"}, 75},
		"tree by slash":        {[]string{"d/"}, []string{"d/f"}, 75},
		"tree, sibling":        {[]string{"d/"}, []string{"dd"}, 0},
		"all of it":            {[]string{"./"}, []string{"d/f"}, 75},
		"another spelling":     {[]string{"d/../a"}, []string{"./a"}, 75},
		"raw":                  {[]string{"--raw", "x y"}, []string{"x y"}, 75},
	} {
		t.Run(name, func(t *testing.T) {
			first := tr.holder(c.first...)
			defer first.stop()
			require.Equal(t, c.status, tr.run(append(append([]string{"run", "-n"}, c.second...), "--", "true")...).status)
		})
	}
}

func TestRunTellsTheCommandItsLease(t *testing.T) {
	tr := newTree(t)
	out := tr.ok("run", "--holder", "me", "--label", "why=test", "a", "--", "sh", "-c",
		`leasekit get $LEASEKIT_ID -o json && echo "$LEASEKIT_HOLDER $LEASEKIT_TOKEN $LEASEKIT_STORE"`)
	require.Contains(t, out, `"why": "test"`)
	require.Contains(t, out, `"holder": "me"`)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := strings.Fields(lines[len(lines)-1])
	require.Equal(t, "me", last[0])
	require.Contains(t, out, `"token": `+last[1])
	require.Equal(t, "sqlite:"+filepath.Join(tr.dir, ".git", "leasekit", "leases.db"), last[2])
}

func TestRunNested(t *testing.T) {
	tr := newTree(t)
	require.Equal(t, "in\n", tr.ok("run", "a", "--", "leasekit", "run", "-n", "a", "--", "echo", "in"), "the same holder")
	r := tr.run("run", "a", "--", "leasekit", "run", "-n", "--holder", "another", "a", "--", "echo", "in")
	require.Equal(t, 75, r.status, "another holder is kept out")
	r = tr.run("run", "a", "--", "leasekit", "run", "-n", "--distinct", "a", "--", "echo", "in")
	require.Equal(t, 75, r.status, "so is one that wants to be")
}

func TestRunHasTheStreamsAsTheyAre(t *testing.T) {
	tr := newTree(t)
	extra, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	_, err = extra.WriteString("from descriptor 3")
	require.NoError(t, err)
	_, err = extra.Seek(0, io.SeekStart)
	require.NoError(t, err)
	c := tr.command("run", "a", "--", "sh", "-c", "cat; cat <&3; echo problem >&2")
	var errs strings.Builder
	c.Stdin, c.Stderr, c.ExtraFiles = strings.NewReader("from input, "), &errs, []*os.File{extra}
	out, err := c.Output()
	require.NoError(t, err)
	require.Equal(t, "from input, from descriptor 3", string(out))
	require.Equal(t, "problem\n", errs.String())
}

func TestRunHoldsAtLeast(t *testing.T) {
	tr := newTree(t)
	m := tr.manager()
	started := time.Now()
	tr.ok("run", "--hold-at-least", "1h", "--ttl", "1s", "slot", "--", "true")
	r := tr.run("run", "-n", "--hold-at-least", "1h", "slot", "--", "echo", "twice")
	require.Equal(t, 75, r.status)
	require.Empty(t, r.out)
	for l, err := range m.List(t.Context(), lease.Query{Path: "slot"}) {
		require.NoError(t, err)
		require.WithinRange(t, l.ExpiresAt, started.Add(time.Hour-time.Second), time.Now().Add(time.Hour))
	}
	tr.ok("run", "--hold-at-least", "1ms", "other", "--", "sleep", "0.05")
	tr.ok("run", "-n", "other", "--", "true")
}

func TestRunSaysWhatHappens(t *testing.T) {
	tr := newTree(t)
	r := tr.run("run", "-v", "a", "--", "true")
	require.Zero(t, r.status)
	require.Contains(t, r.err, "holds a (token ")
}

func TestRunUsage(t *testing.T) {
	tr := newTree(t)
	for _, args := range [][]string{
		{"run"}, {"run", "a"}, {"run", "--"}, {"run", "a", "--"}, {"run", "--", "true"},
		{"run", "-n", "-w", "1s", "a", "--", "true"}, {"run", "-s", "-x", "a", "--", "true"},
		{"run", "-w", "0s", "a", "--", "true"}, {"run", "-w", "-1s", "a", "--", "true"}, {"run", "--ttl", "0", "a", "--", "true"},
		{"run", "--ttl", "5", "a", "--", "true"}, {"run", "--ttl", "1ns", "--grace", "-1s", "a", "--", "true"},
		{"run", "--priority", "101", "a", "--", "true"}, {"run", "--label", "x", "a", "--", "true"},
		{"run", "--label", "=x", "a", "--", "true"}, {"run", "--on-lost", "cry", "a", "--", "true"},
		{"run", "-E", "256", "a", "--", "true"}, {"run", "-E", "-1", "a", "--", "true"}, {"run", "", "--", "true"},
		{"run", "../outside", "--", "true"}, {"run", "/etc/passwd", "--", "true"}, {"run", "--raw", "..", "--", "true"},
		{"run", "--nonsense", "a", "--", "true"}, {"run", "a\x00b"[:1], "--store", "nonsense:x", "--", "true"},
		{"run", "--holder", strings.Repeat("x", 257), "a", "--", "true"},
		{"no-such-command"},
	} {
		r := tr.run(args...)
		require.Equal(t, 64, r.status, "%q: %s", args, r.err)
		require.Empty(t, r.out, "%q", args)
		require.NotEmpty(t, r.err, "%q", args)
		require.NotContains(t, r.err, "panic", "%q", args)
	}
}

func TestRunMany(t *testing.T) {
	tr := newTree(t)
	tr.ok("run", "count", "--", "sh", "-c", "echo 0 > count")
	// Without the lease, these lose some of each other's additions.
	const copies = 12
	var all []*exec.Cmd
	for range copies {
		c := tr.command("run", "count", "--", "sh", "-c", "n=$(cat count); echo $((n+1)) > count")
		require.NoError(t, c.Start())
		all = append(all, c)
	}
	for _, c := range all {
		require.Zero(t, tr.wait(c))
	}
	b, err := os.ReadFile(filepath.Join(tr.dir, "count"))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintln(copies), string(b))
	tr.ok("audit")
}
