package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/internal/redistest"
)

// bin is the folder of the program leasekit.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "leasekit-hook")
	if err == nil {
		bin = dir
		var out []byte
		if out, err = exec.Command("go", "build", "-o", filepath.Join(dir, "leasekit"), "github.com/leasekit/leasekit/cmd/leasekit").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// world is a git work tree, and the program leasekit on the PATH.
type world struct {
	t       *testing.T
	tree    string
	environ []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	w := &world{t: t, tree: filepath.Join(dir, "tree")}
	out, err := exec.Command("git", "init", "-q", w.tree).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	w.environ = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	return w
}

// writes is what Claude Code says before a session writes a file.
func (w *world) writes(session, file string) string {
	return `{"session_id":"` + session + `","cwd":"` + w.tree + `","hook_event_name":"PreToolUse","tool_name":"Write",` +
		`"tool_input":{"file_path":"` + filepath.Join(w.tree, file) + `","content":"x"},"tool_use_id":"` + session + file + `"}`
}

// answer is what a program says, without its numbers: time passes from one to the
// next.
type answer struct {
	status      int
	out, errors string
}

func answered(status int, out, errors bytes.Buffer) answer {
	numbers := regexp.MustCompile(`[0-9.]+`)
	return answer{status, numbers.ReplaceAllString(out.String(), "N"), numbers.ReplaceAllString(errors.String(), "N")}
}

func (w *world) hook(input string, args ...string) answer {
	w.t.Helper()
	var out, errors bytes.Buffer
	env := &cmdenv.Env{In: strings.NewReader(input), Out: &out, Err: &errors, Dir: w.tree, Environ: w.environ}
	status := run(w.t.Context(), env, args)
	return answered(status, out, errors)
}

// whole is what leasekit answers.
func (w *world) whole(input string, args ...string) answer {
	w.t.Helper()
	var out, errors bytes.Buffer
	cmd := exec.Command(filepath.Join(bin, "leasekit"), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = strings.NewReader(input), &out, &errors, w.tree, w.environ
	_ = cmd.Run() // the status says it
	return answered(cmd.ProcessState.ExitCode(), out, errors)
}

func TestSameAnswers(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, answer{}, w.hook(w.writes("A", "f"), "hook", "--host", "claude"))
	refused := w.hook(w.writes("B", "f"), "hook", "--host", "claude")
	require.Contains(t, refused.out+refused.errors, "f")
	require.NotEqual(t, answer{}, refused)
	for _, input := range []string{w.writes("B", "f"), w.writes("A", "f"), "", "{", `{"session_id":"A"}`} {
		require.Equal(t, w.whole(input, "hook", "--host", "claude"), w.hook(input, "hook", "--host", "claude"), input)
	}
	require.Contains(t, w.whole("", "who", "f").out, "claude")
}

// What the hook cannot do itself the whole program does: other stores, other
// commands, and what is wrong with a command line.
func TestLeavesTheRestToLeasekit(t *testing.T) {
	w := newWorld(t)
	server := redistest.Single(t)
	w.environ = append(w.environ, "LEASEKIT_STORE=redis://"+server.Addr()+"/0")
	require.Equal(t, answer{}, w.hook(w.writes("A", "f"), "hook", "--host", "claude"))
	require.Contains(t, w.whole("", "who", "f").out, "claude")
	require.Equal(t, w.whole(w.writes("B", "f"), "hook", "--host", "claude"), w.hook(w.writes("B", "f"), "hook", "--host", "claude"))
	for _, args := range [][]string{{}, {"ls"}, {"hook", "--help"}, {"hook", "--host", "nobody"}, {"hook", "-x"}, {"hook", "more"}, {"--store", "x.db", "who", "f"}} {
		require.Equal(t, w.whole("", args...), w.hook("", args...), args)
	}
}

func TestWithoutLeasekit(t *testing.T) {
	w := newWorld(t)
	t.Setenv("PATH", t.TempDir())
	a := w.hook("", "ls")
	require.Equal(t, exit.Failed, a.status)
	require.Contains(t, a.errors, "leasekit-hook: ls: this needs the program leasekit")
	w.environ = append(w.environ, "LEASEKIT_STORE=redis://127.0.0.1:1/0")
	a = w.hook(w.writes("A", "f"), "hook", "--host", "claude", "--on-error", "deny")
	require.Contains(t, a.out+a.errors, "leasekit-hook opens SQLite files only")
	require.Contains(t, a.out+a.errors, "deny")
}
