package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed recorded
var recorded embed.FS

// world is a git work tree and the program that the agents' hooks run.
type world struct {
	program string
	repo    string
	environ []string
	written map[string][]string // the lines that agents wrote, by file
}

func newWorld(ctx context.Context, dir, program string) (*world, error) {
	w := &world{program: program, repo: filepath.Join(dir, "repo"), written: make(map[string][]string)}
	home := filepath.Join(dir, "home")
	// Nothing of who runs this: no session of an agent, no store, no git hooks.
	w.environ = []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=agent", "GIT_AUTHOR_EMAIL=agent@example.org", "GIT_COMMITTER_NAME=agent", "GIT_COMMITTER_EMAIL=agent@example.org",
	}
	for _, folder := range []string{w.repo, home} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string]string{
		"plan.md":        "the plan\n",
		"api.md":         "the interface\n",
		".leasekit.json": `{"hook": {"ttl": "10s"}}` + "\n", // so that nobody waits long for the one that is killed
	} {
		if err := os.WriteFile(filepath.Join(w.repo, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	for _, command := range [][]string{
		{"git", "init", "-q", "-b", "main"}, {program, "init", "git"}, {"git", "add", "."}, {"git", "commit", "-qm", "start"},
	} {
		if out, status := w.command(ctx, nil, command...); status != 0 {
			return nil, fmt.Errorf("%v: status %d: %s", command, status, out)
		}
	}
	return w, nil
}

// command runs a command in the work tree and returns what it said.
func (w *world) command(ctx context.Context, more []string, words ...string) (string, int) {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir, cmd.Env = w.repo, append(slices.Clone(w.environ), more...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		return err.Error(), -1
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// agent is a scripted session of one host.
type agent struct {
	*world
	host string
}

// hook says to "leasekit hook" what the host was recorded to say, about another
// file or command. It returns the words of a refusal, or of a notice.
func (a *agent) hook(ctx context.Context, event, file, command string, flags ...string) (refused bool, words string, err error) {
	b, err := recorded.ReadFile("recorded/" + a.host + "-" + event + ".json")
	if err != nil {
		return false, "", err
	}
	input := strings.NewReplacer(
		"$REPO", a.repo, "$HOME", filepath.Join(filepath.Dir(a.repo), "home"), "new.txt", file, "echo shell > shell.txt", command,
		"*** Add File", "*** Update File", "SCN:main go", a.host+"'s task",
	).Replace(string(b))
	cmd := exec.CommandContext(ctx, a.program, append([]string{"hook", "--host", a.host}, flags...)...)
	var out, text bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = a.repo, a.environ, strings.NewReader(input), &out, &text
	err = cmd.Run()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended) && ended.ExitCode() == 2:
		return true, text.String(), nil
	case err != nil:
		return false, "", fmt.Errorf("hook: %w: %s", err, text.String())
	case text.Len() > 0:
		return false, "", fmt.Errorf("hook: %s", text.String())
	}
	return false, out.String(), nil
}

// write does what the host's tool for writing does: it asks, and if nobody says
// no, reads the file, adds a line and writes all of it.
func (a *agent) write(ctx context.Context, file, line string, flags ...string) error {
	refused, words, err := a.hook(ctx, "before-write", file, "", flags...)
	switch {
	case err != nil:
		return err
	case refused:
		a.say("is refused %s:\n%s", file, indent(words))
		return errRefused
	}
	if err := a.add(file, line); err != nil {
		return err
	}
	a.say("writes %s", file)
	_, _, err = a.hook(ctx, "after-write", file, "")
	return err
}

var errRefused = errors.New("refused")

func (a *agent) add(file, line string) error {
	name := filepath.Join(a.repo, file)
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	a.written[file] = append(a.written[file], line)
	return os.WriteFile(name, append(b, line+"\n"...), 0o600)
}

func (a *agent) say(format string, args ...any) {
	fmt.Printf("%-6s %s\n", a.host, strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

func indent(text string) string {
	return "         " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n         ")
}

// check returns an error if a line that an agent wrote is not there any more.
func (w *world) check() (int, error) {
	lines := 0
	for file, written := range w.written {
		b, err := os.ReadFile(filepath.Join(w.repo, file))
		if err != nil {
			return 0, err
		}
		there := strings.Split(string(b), "\n")
		for _, line := range written {
			if !slices.Contains(there, line) {
				return 0, fmt.Errorf("%s has lost the line %q", file, line)
			}
			lines++
		}
	}
	return lines, nil
}
