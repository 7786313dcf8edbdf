// E2e runs a real coding-agent client against a model that plays a script: two
// sessions are told to write one file; the second is refused, waits, then
// writes, and nothing is lost.
//
//	bash .ci/clients          installs the client and runs this without a network
//
// The client is started with an empty environment and a home of its own; the
// model is a server on the loopback interface.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	name := flag.String("client", "gemini", "which client: gemini or opencode")
	folder := flag.String("folder", "", "where npm has installed it")
	program := flag.String("leasekit", "", "the program to test")
	keep := flag.String("keep", "", "keep what the clients say in this folder")
	limit := flag.Duration("limit", 9*time.Minute, "how long the whole run may take")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	err := run(ctx, *name, *folder, *program, *keep)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name, folder, program, keep string) (err error) {
	c, ok := clients[name]
	if !ok {
		return fmt.Errorf("no such client: %q", name)
	}
	dir, err := os.MkdirTemp("", "leasekit-e2e-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &world{client: c, folder: folder, dir: dir, repo: filepath.Join(dir, "repo"), home: filepath.Join(dir, "home"), keep: keep}
	w.model, err = newModel(c.tools)
	if err != nil {
		return err
	}
	defer w.model.close()
	if err := w.prepare(ctx, program); err != nil {
		return err
	}
	begun := time.Now()
	if err := w.play(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, w.model.said())
	}
	fmt.Fprintf(os.Stdout, "%s: the second session was refused, waited and wrote; nothing was lost (%v)\n", name, time.Since(begun).Round(time.Second))
	return nil
}

// world is a work tree and a home for the client's sessions.
type world struct {
	client     client
	model      *model
	folder     string
	dir        string
	repo, home string
	keep       string
}

const shared = "shared.txt"

func (w *world) environ() []string {
	return append([]string{
		"HOME=" + w.home, "TMPDIR=" + w.dir, "LANG=C.UTF-8", "TERM=dumb",
		"PATH=" + strings.Join([]string{filepath.Join(w.dir, "bin"), "/usr/local/bin", "/usr/bin", "/bin"}, ":"),
	}, w.client.environ(w.model.address)...)
}

// prepare makes the work tree, and sets up the client's hook as a user would.
func (w *world) prepare(ctx context.Context, program string) error {
	bin := filepath.Join(w.dir, "bin")
	for _, folder := range []string{w.repo, w.home, bin} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	if err := os.Symlink(program, filepath.Join(bin, "leasekit")); err != nil {
		return err
	}
	for name, text := range w.client.files(w.model.address) {
		name = filepath.Join(w.home, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, words := range [][]string{
		{"git", "init", "-q", "-b", "main"},
		{"leasekit", "init", w.client.init, "--program", "leasekit", "--on-error", "deny"},
		{"leasekit", "doctor"},
	} {
		if out, err := w.command(ctx, words...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", words, err, out)
		}
	}
	return nil
}

func (w *world) command(ctx context.Context, words ...string) *exec.Cmd {
	name := words[0]
	if name == "leasekit" {
		name = filepath.Join(w.dir, "bin", name)
	}
	cmd := exec.CommandContext(ctx, name, words[1:]...)
	cmd.Dir, cmd.Env = w.repo, w.environ()
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// play runs both sessions and looks at what came of it.
func (w *world) play(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	first := w.start(ctx, cancel, "first")
	if err := w.model.wait(ctx, w.model.firstWrote); err != nil {
		return fmt.Errorf("the first session has not written: %w", err)
	}
	second := w.start(ctx, cancel, "second")
	err := errors.Join(<-first, <-second)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(w.repo, shared))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if string(b) != bothLines {
		return fmt.Errorf("%s is %q, want %q", shared, b, bothLines)
	}
	if !w.model.secondWasRefused() {
		return errors.New("the second session was never refused")
	}
	for _, words := range [][]string{{"leasekit", "audit"}, {"leasekit", "ls", "-o", "name"}} {
		out, err := w.command(ctx, words...).CombinedOutput()
		if err != nil || words[1] == "ls" && len(bytes.TrimSpace(out)) > 0 {
			return fmt.Errorf("%v: %v: %s", words, err, out)
		}
	}
	return nil
}

// start starts the client with a prompt that names a part of the script.
func (w *world) start(ctx context.Context, cancel context.CancelCauseFunc, part string) <-chan error {
	done := make(chan error, 1)
	cmd := w.command(ctx, w.client.command(w.folder, prompt(part))...)
	// Two sessions share a work tree, not what a client keeps for itself.
	cmd.Env = append(cmd.Env, "XDG_DATA_HOME="+filepath.Join(w.dir, part), "XDG_CACHE_HOME="+filepath.Join(w.dir, part+"-cache"), "XDG_STATE_HOME="+filepath.Join(w.dir, part+"-state"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	go func() {
		err := cmd.Run()
		if w.keep != "" {
			_ = os.WriteFile(filepath.Join(w.keep, part+".log"), out.Bytes(), 0o600) // for people who look for a fault
		}
		if err != nil {
			err = fmt.Errorf("%s session: %w: %s", part, err, out.Bytes())
			cancel(err) // the other one waits for it
		}
		done <- err
	}()
	return done
}
