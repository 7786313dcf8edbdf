package hook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cli"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hook"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/stores"
	"github.com/leasekit/leasekit/lease"
)

// asProgram makes the test's binary behave as the program, for tests that need
// processes.
const asProgram = "LEASEKIT_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main(context.Background(), cmdenv.Process(stores.All), os.Args[1:]))
	}
	os.Exit(m.Run())
}

// world is a git work tree and what sessions in it share.
type world struct {
	tb      testing.TB
	repo    string
	home    string
	environ []string
	options hook.Options
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	dir, err := filepath.EvalSymlinks(tb.TempDir())
	require.NoError(tb, err)
	w := &world{tb: tb, repo: filepath.Join(dir, "repo"), home: filepath.Join(dir, "home"), options: hook.Options{Wait: -1}}
	w.environ = []string{"HOME=" + w.home, "PATH=" + os.Getenv("PATH"), "GORACE=" + os.Getenv("GORACE")}
	require.NoError(tb, os.MkdirAll(filepath.Join(w.repo, "sub"), 0o755))
	require.NoError(tb, os.MkdirAll(w.home, 0o755))
	w.git("init", "-q", "-b", "main")
	w.write("notes.txt", "alpha\nbeta\n")
	w.write("sub/deep.txt", "deep\n")
	w.git("add", ".")
	w.git("commit", "-qm", "first")
	return w
}

func (w *world) git(args ...string) string {
	w.tb.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org"}, args...)...)
	cmd.Dir, cmd.Env = w.repo, slices.Concat(w.environ, []string{"GIT_CONFIG_NOSYSTEM=1"})
	out, err := cmd.CombinedOutput()
	require.NoError(w.tb, err, "%s", out)
	return string(out)
}

func (w *world) write(name, text string) {
	w.tb.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(w.repo, name)
	}
	require.NoError(w.tb, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(w.tb, os.WriteFile(name, []byte(text), 0o600))
}

// answer is what a hook gave back.
type answer struct {
	status         int
	stdout, stderr string
}

// run gives an input to the hook, with the options of the world.
func (w *world) run(input string) answer {
	w.tb.Helper()
	var out, errors bytes.Buffer
	env := &cmdenv.Env{In: strings.NewReader(input), Out: &out, Err: &errors, Dir: w.repo, Stores: stores.All, Environ: w.environ}
	status := hook.Run(w.tb.Context(), env, w.options)
	return answer{status: status, stdout: out.String(), stderr: errors.String()}
}

// recording gives a recorded input to the hook.
func (w *world) recording(h hosts.Host, name string) answer {
	w.tb.Helper()
	return w.run(w.recorded(h, name))
}

func (w *world) recorded(h hosts.Host, name string) string {
	w.tb.Helper()
	b, err := os.ReadFile(filepath.Join("..", "hosts", "testdata", string(h), name+".json"))
	require.NoError(w.tb, err)
	return strings.NewReplacer("$REPO", w.repo, "$HOME", w.home).Replace(string(b))
}

// call is a call of Claude Code's kind, by a session with a short name.
type call struct {
	event, session, agent, tool, id, dir string
	files                                []string
	command, prompt                      string
	background                           bool
}

func (w *world) input(c call) string {
	w.tb.Helper()
	if c.dir == "" {
		c.dir = w.repo
	}
	in := map[string]any{"hook_event_name": c.event, "session_id": c.session, "cwd": c.dir, "prompt_id": "p"}
	for k, v := range map[string]string{"agent_id": c.agent, "tool_name": c.tool, "tool_use_id": c.id, "prompt": c.prompt} {
		if v != "" {
			in[k] = v
		}
	}
	switch {
	case c.command != "":
		in["tool_input"] = map[string]any{"command": c.command, "run_in_background": c.background}
	case len(c.files) == 1:
		in["tool_input"] = map[string]any{"file_path": c.files[0]}
	case len(c.files) > 1:
		in["tool_input"] = map[string]any{"file_paths": c.files}
	}
	b, err := json.Marshal(in)
	require.NoError(w.tb, err)
	return string(b)
}

func (w *world) call(c call) answer {
	w.tb.Helper()
	return w.run(w.input(c))
}

func (w *world) before(session string, files ...string) answer {
	w.tb.Helper()
	return w.call(call{event: "PreToolUse", session: session, tool: "Write", files: files, id: "w"})
}

func (w *world) after(session string, files ...string) answer {
	w.tb.Helper()
	return w.call(call{event: "PostToolUse", session: session, tool: "Write", files: files, id: "w"})
}

func (w *world) shell(session, command string) answer {
	w.tb.Helper()
	return w.call(call{event: "PreToolUse", session: session, tool: "Bash", command: command, id: "s"})
}

func (w *world) shellDone(session, command string) answer {
	w.tb.Helper()
	return w.call(call{event: "PostToolUse", session: session, tool: "Bash", command: command, id: "s"})
}

func (w *world) stop(session string) answer {
	w.tb.Helper()
	return w.call(call{event: "Stop", session: session})
}

func (w *world) passes(a answer) {
	w.tb.Helper()
	require.Equal(w.tb, answer{}, a)
}

func (w *world) refuses(a answer, words ...string) {
	w.tb.Helper()
	require.Equal(w.tb, 2, a.status, "%+v", a)
	var object struct{ Decision, Reason string }
	require.NoError(w.tb, json.Unmarshal([]byte(a.stdout), &object), a.stdout)
	require.Equal(w.tb, "block", object.Decision)
	require.Equal(w.tb, object.Reason+"\n", a.stderr)
	for _, word := range words {
		require.Contains(w.tb, object.Reason, word)
	}
}

// leases returns who holds what: "holder path" of every active lease.
func (w *world) leases() []string {
	w.tb.Helper()
	out := []string{}
	w.manager(func(m lease.Manager) {
		for l, err := range m.List(w.tb.Context(), lease.Query{Status: []lease.Status{lease.Active}}) {
			require.NoError(w.tb, err)
			for _, c := range l.Claims {
				out = append(out, l.Holder+" "+c.String())
			}
		}
	})
	return out
}

func (w *world) manager(do func(lease.Manager)) {
	w.tb.Helper()
	env := &cmdenv.Env{Dir: w.repo, Stores: stores.All, Environ: w.environ}
	store, err := env.Open(w.tb.Context())
	require.NoError(w.tb, err)
	defer store.Close()
	do(store)
}

func (w *world) configure(text string) { w.write(".leasekit.json", text) }
