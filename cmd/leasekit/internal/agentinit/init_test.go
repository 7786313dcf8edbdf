package agentinit_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/agentinit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cli"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/stores"
)

func setup(t *testing.T) agentinit.Setup {
	t.Helper()
	return agentinit.Setup{Home: t.TempDir(), Program: "/opt/lease kit/leasekit", Getenv: func(string) string { return "" }}
}

// every is all hosts with a place that needs no work tree.
func every(s agentinit.Setup) map[hosts.Host]agentinit.Setup {
	all := make(map[hosts.Host]agentinit.Setup)
	for _, h := range hosts.All() {
		all[h] = s
	}
	tree := s
	tree.Project = s.Home
	all[hosts.VSCode] = tree
	return all
}

// Where the program leasekit-hook lies beside leasekit clients run it.
func TestHookOfItsOwn(t *testing.T) {
	s := setup(t)
	s.Hook = "/opt/lease kit/leasekit-hook"
	for h, s := range every(s) {
		c, err := agentinit.Configure(h, s, false)
		require.NoError(t, err)
		require.Contains(t, string(c.After), "leasekit-hook")
		require.NoError(t, c.Apply())
		s.Hook = ""
		c, err = agentinit.Configure(h, s, false)
		require.NoError(t, err)
		require.NotContains(t, string(c.After), "leasekit-hook", "it takes the place of what was there")
		gone, err := agentinit.Configure(h, s, true)
		require.NoError(t, err)
		require.NoError(t, gone.Apply())
		require.NoFileExists(t, c.File)
	}
}

// What init writes calls the hook before writes and at the end of turns, twice
// is as good as once, and what it removes leaves nothing behind.
func TestEveryHost(t *testing.T) {
	for h, s := range every(setup(t)) {
		t.Run(string(h), func(t *testing.T) {
			c, err := agentinit.Configure(h, s, false)
			require.NoError(t, err)
			require.False(t, c.Same())
			require.Contains(t, string(c.After), "leasekit")
			require.NoError(t, c.Apply())
			if h != hosts.OpenCode {
				require.True(t, json.Valid(c.After))
				require.Contains(t, string(c.After), "'/opt/lease kit/leasekit' hook --host "+string(h))
			}
			again, err := agentinit.Configure(h, s, false)
			require.NoError(t, err)
			require.True(t, again.Same())
			gone, err := agentinit.Configure(h, s, true)
			require.NoError(t, err)
			require.NoError(t, gone.Apply())
			require.NoFileExists(t, c.File)
			nothing, err := agentinit.Configure(h, s, true)
			require.NoError(t, err)
			require.True(t, nothing.Same())
		})
	}
}

const theirs = `{
    "theme": "dark",   
  "hooks": {
    "PreToolUse": [
      {"matcher": "Bash", "hooks": [{"type": "command", "command": "/usr/bin/check --hook"}]}
    ],
    "Notification": [{"hooks": [{"type": "command", "command": "notify-send <&> done"}]}]
  },
  "limit": 1.50e3
}
`

// What is there stays, in its order, through init and back.
func TestWhatIsThereStays(t *testing.T) {
	s := setup(t)
	file := filepath.Join(s.Home, ".claude", "settings.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(theirs), 0o600))
	c, err := agentinit.Configure(hosts.Claude, s, false)
	require.NoError(t, err)
	require.NoError(t, c.Apply())
	text := string(c.After)
	for _, kept := range []string{`"theme": "dark"`, "/usr/bin/check --hook", "notify-send <&> done", `"limit": 1.50e3`} {
		require.Contains(t, text, kept)
	}
	require.Less(t, strings.Index(text, "theme"), strings.Index(text, "hooks"))
	require.Less(t, strings.Index(text, "hooks"), strings.Index(text, "limit"))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	back, err := agentinit.Configure(hosts.Claude, s, true)
	require.NoError(t, err)
	require.NoError(t, back.Apply())
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.JSONEq(t, theirs, string(b))
}

// A file that is not understood is left alone.
func TestWhatIsNotUnderstoodStays(t *testing.T) {
	for name, text := range map[string]string{
		"comments": "{\n  // mine\n  \"theme\": \"dark\"\n}\n", "a list": "[1]", "cut off": `{"hooks": {`, "odd hooks": `{"hooks": []}`,
		"odd event": `{"hooks": {"PreToolUse": {}}}`, "more": `{} {}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := setup(t)
			file := filepath.Join(s.Home, ".claude", "settings.json")
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			_, err := agentinit.Configure(hosts.Claude, s, false)
			require.ErrorContains(t, err, file)
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, text, string(b))
		})
	}
	s := setup(t)
	file := filepath.Join(s.Home, ".config", "opencode", "plugins", "leasekit.js")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte("// mine\n"), 0o600))
	_, err := agentinit.Configure(hosts.OpenCode, s, false)
	require.ErrorContains(t, err, "somebody else's")
}

// With deny, a program that is missing refuses too; what it says itself comes
// through unchanged.
func TestDenyIfTheProgramIsMissing(t *testing.T) {
	s := setup(t)
	s.OnError = "deny"
	for _, h := range []hosts.Host{hosts.Claude, hosts.Codex, hosts.Gemini, hosts.Qwen} {
		c, err := agentinit.Configure(h, s, false)
		require.NoError(t, err)
		command := firstCommand(t, c.After)
		var text bytes.Buffer
		cmd := exec.Command("sh", "-c", command)
		cmd.Stderr = &text
		require.Error(t, cmd.Run())
		require.Equal(t, 2, cmd.ProcessState.ExitCode())
		require.Contains(t, text.String(), "is leasekit installed?")
		fake := strings.Replace(command, "'/opt/lease kit/leasekit'", "f() { echo reason >&2; return 2; }; f", 1)
		text.Reset()
		cmd = exec.Command("sh", "-c", fake)
		cmd.Stderr = &text
		require.Error(t, cmd.Run())
		require.Equal(t, 2, cmd.ProcessState.ExitCode())
		require.Equal(t, "reason\n", text.String())
	}
}

// firstCommand returns the command of a host's event before tools.
func firstCommand(t *testing.T, config []byte) string {
	t.Helper()
	var file struct {
		Hooks map[string][]struct{ Hooks []struct{ Command string } }
	}
	require.NoError(t, json.Unmarshal(config, &file))
	for _, event := range []string{"PreToolUse", "BeforeTool"} {
		if list := file.Hooks[event]; len(list) > 0 {
			return list[0].Hooks[0].Command
		}
	}
	t.Fatal("no event before tools")
	return ""
}

// world is a work tree and a home.
type world struct {
	t          *testing.T
	repo, home string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	w := &world{t: t, repo: filepath.Join(dir, "repo"), home: filepath.Join(dir, "home")}
	require.NoError(t, os.MkdirAll(w.repo, 0o755))
	require.NoError(t, os.MkdirAll(w.home, 0o755))
	w.command("git", "init", "-q", "-b", "main")
	return w
}

func (w *world) environ() []string {
	return []string{"HOME=" + w.home, "PATH=" + os.Getenv("PATH"), "GORACE=" + os.Getenv("GORACE")}
}

func (w *world) command(words ...string) {
	w.t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Env = w.repo, w.environ()
	out, err := cmd.CombinedOutput()
	require.NoError(w.t, err, "%s", out)
}

func (w *world) leasekit(args ...string) (int, string) {
	w.t.Helper()
	var out bytes.Buffer
	env := &cmdenv.Env{In: strings.NewReader(""), Out: &out, Err: &out, Dir: w.repo, Stores: stores.All, Environ: w.environ()}
	status := cli.Main(w.t.Context(), env, args)
	return status, out.String()
}

// Two commands set a client up, and the doctor says so.
func TestInitAndDoctor(t *testing.T) {
	w := newWorld(t)
	status, text := w.leasekit("doctor")
	require.Equal(t, 1, status)
	require.Contains(t, text, "no client is set up")
	status, text = w.leasekit("init", "claude", "--program", "true") // a program that is there
	require.Zero(t, status, text)
	status, text = w.leasekit("init", "claude", "--dry-run", "--program", "sh")
	require.Zero(t, status, text)
	require.Contains(t, text, "sh hook --host claude")
	file := filepath.Join(w.home, ".claude", "settings.json")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(b), "sh hook")
	require.NoError(t, os.WriteFile(file, bytes.ReplaceAll(b, []byte(`"true hook`), []byte(`"`+w.home+`/leasekit hook`)), 0o600))
	status, text = w.leasekit("doctor")
	require.Equal(t, 1, status)
	require.Contains(t, text, "which is not there")
	require.NoError(t, os.WriteFile(filepath.Join(w.home, "leasekit"), []byte("#!/bin/sh\n"), 0o700))
	status, text = w.leasekit("doctor")
	require.Zero(t, status, text)
	require.Contains(t, text, "a probe was refused")
	require.NotContains(t, text, "WRONG")
	// The probe leaves nothing behind.
	_, text = w.leasekit("ls", "-o", "name")
	require.Empty(t, strings.TrimSpace(text))
	entries, err := os.ReadDir(w.repo)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestGitHook(t *testing.T) {
	w := newWorld(t)
	hook := filepath.Join(w.repo, ".git", "hooks", "pre-commit")
	require.NoError(t, os.RemoveAll(hook))
	for _, theirs := range []string{"", "#!/bin/bash\necho mine\n", "echo mine\n"} {
		if theirs != "" {
			require.NoError(t, os.MkdirAll(filepath.Dir(hook), 0o755))
			require.NoError(t, os.WriteFile(hook, []byte(theirs), 0o700))
		}
		for range 2 {
			status, text := w.leasekit("init", "git", "--program", "leasekit")
			require.Zero(t, status, text)
		}
		b, err := os.ReadFile(hook)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(b), "leasekit precommit || exit 1"))
		require.True(t, strings.HasPrefix(string(b), "#!/bin/"))
		require.Equal(t, theirs != "", strings.Contains(string(b), "echo mine"))
		info, err := os.Stat(hook)
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&0o100)
		status, text := w.leasekit("init", "git", "--remove")
		require.Zero(t, status, text)
		if theirs == "" {
			require.NoFileExists(t, hook)
		}
	}
	require.NoError(t, os.WriteFile(hook, []byte("#!/usr/bin/python3\n"), 0o700))
	status, text := w.leasekit("init", "git")
	require.Equal(t, 1, status)
	require.Contains(t, text, "no shell script")
}
