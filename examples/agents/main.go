// Agents is three coding agents of three makers that work in one git work tree
// at once: Claude Code, Codex and Gemini CLI. No model and no client is needed:
// the program says to "leasekit hook" what the clients were recorded to say,
// and does to the files what they would do. One agent is killed, one goes round
// by the shell; at the end no write is lost.
//
//	go run ./examples/agents
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	dir, err := os.MkdirTemp("", "leasekit-agents-")
	if err == nil {
		err = errors.Join(run(ctx, dir), os.RemoveAll(dir))
	}
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string) error {
	program, err := leasekit(ctx, dir)
	if err != nil {
		return err
	}
	w, err := newWorld(ctx, dir, program)
	if err != nil {
		return err
	}
	return w.story(ctx)
}

// leasekit returns the program: the one that LEASEKIT names, or one built from
// this repository.
func leasekit(ctx context.Context, dir string) (string, error) {
	if program := os.Getenv("LEASEKIT"); program != "" {
		return program, nil
	}
	_, source, _, ok := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(filepath.Dir(source)))
	if _, err := os.Stat(filepath.Join(root, "go.work")); !ok || err != nil {
		return "", errors.New("the repository is not found: name the program in LEASEKIT")
	}
	program := filepath.Join(dir, "leasekit")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/leasekit")
	build.Dir = root
	build.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"))
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/leasekit: %w\n%s", err, out)
	}
	return program, nil
}
