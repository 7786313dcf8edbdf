package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cli"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/stores"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

// asCommand makes the test's own program be leasekit.
const asCommand = "LEASEKIT_TEST_AS_COMMAND"

// bin is a folder with a program leasekit.
var bin string

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(cli.Main(context.Background(), cmdenv.Process(stores.All), os.Args[1:]))
	}
	os.Exit(func() int {
		var err error
		if bin, err = os.MkdirTemp("", "leasekit"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(bin)
		self, err := os.Executable()
		if err == nil {
			err = os.Symlink(self, filepath.Join(bin, "leasekit"))
		}
		if err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// patience is for what should take no time, on a machine that has other work.
const patience = 30 * time.Second

// tree is a git work tree with leases in its git directory, and the environment
// of who works in it.
type tree struct {
	testing.TB
	dir string
	env []string
}

func newTree(tb testing.TB) *tree {
	dir, err := filepath.EvalSymlinks(tb.TempDir())
	require.NoError(tb, err)
	require.NoError(tb, os.Mkdir(filepath.Join(dir, ".git"), 0o755))
	require.NoError(tb, os.WriteFile(filepath.Join(dir, ".git", "HEAD"), []byte("ref: refs/heads/main\n"), 0o600))
	return &tree{TB: tb, dir: dir, env: []string{
		asCommand + "=1", "HOME=" + tb.TempDir(), "PATH=" + bin + ":" + os.Getenv("PATH"), "USER=tester",
		"GORACE=" + os.Getenv("GORACE"),
	}}
}

// with is the tree with more in the environment.
func (t *tree) with(pairs ...string) *tree {
	more := *t
	more.env = append(append([]string{}, t.env...), pairs...)
	return &more
}

func (t *tree) command(args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(bin, "leasekit"), args...)
	c.Dir, c.Env = t.dir, t.env
	c.WaitDelay = patience // for what a command leaves behind with its streams
	return c
}

// result is what a command left behind.
type result struct {
	status   int
	out, err string
}

// run runs leasekit to its end.
func (t *tree) run(args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	c := t.command(args...)
	c.Stdout, c.Stderr = &out, &errs
	require.NoError(t, c.Start())
	return result{status: t.wait(c), out: out.String(), err: errs.String()}
}

// ok runs leasekit, which must exit with 0, and returns its output.
func (t *tree) ok(args ...string) string {
	t.Helper()
	r := t.run(args...)
	require.Zero(t, r.status, "leasekit %q: %s", args, r.err)
	return r.out
}

// wait waits for the end of a command, and returns its exit status.
func (t *tree) wait(c *exec.Cmd) int {
	t.Helper()
	timer := time.AfterFunc(patience, func() { _ = c.Process.Kill() })
	err := c.Wait()
	require.True(t, timer.Stop(), "%q did not end", c.Args)
	if err != nil {
		require.IsType(t, new(exec.ExitError), err)
	}
	return c.ProcessState.ExitCode()
}

// process is a leasekit that runs.
type process struct {
	*exec.Cmd
	tree  *tree
	out   *bufio.Reader
	errs  *bytes.Buffer
	input io.WriteCloser
}

// start starts leasekit. It is killed at the end of the test.
func (t *tree) start(args ...string) *process {
	t.Helper()
	p := &process{Cmd: t.command(args...), tree: t, errs: new(bytes.Buffer)}
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	p.input, err = p.StdinPipe()
	require.NoError(t, err)
	p.out, p.Stderr = bufio.NewReader(out), p.errs
	require.NoError(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

// line waits for the next line of the output.
func (p *process) line() string {
	p.tree.Helper()
	timer := time.AfterFunc(patience, func() { _ = p.Process.Kill() })
	defer timer.Stop()
	line, err := p.out.ReadString('\n')
	require.NoError(p.tree, err, "after %q", line)
	return strings.TrimSuffix(line, "\n")
}

// end waits for the end, and returns the exit status.
func (p *process) end() int {
	p.tree.Helper()
	return p.tree.wait(p.Cmd)
}

// holder starts leasekit with a command that holds until its input ends, and
// waits until it does.
func (t *tree) holder(args ...string) *process {
	t.Helper()
	args = append(append([]string{"run"}, args...), "--", "sh", "-c", "echo holds; cat")
	p := t.start(args...)
	require.Equal(t, "holds", p.line())
	return p
}

// stop ends what holder started.
func (p *process) stop() {
	p.tree.Helper()
	require.NoError(p.tree, p.input.Close())
	require.Zero(p.tree, p.end(), p.errs.String())
}

// manager opens the tree's store, past the command.
func (t *tree) manager() lease.Manager {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(t.dir, ".git", "leasekit"), 0o700))
	m, err := sqlitebackend.Open(t.Context(), filepath.Join(t.dir, ".git", "leasekit", "leases.db"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// event waits for the first event of a kind.
func (t *tree) event(m lease.Manager, kind lease.Kind) lease.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for e, err := range m.Watch(ctx, lease.Query{Kinds: []lease.Kind{kind}}) {
		require.NoError(t, err, "no event %q", kind)
		return e
	}
	return lease.Event{}
}
