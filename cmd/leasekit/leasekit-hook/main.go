// Command leasekit-hook is "leasekit hook" as a program of its own. Agents run it
// before and after each call of a tool, thousands of times a day, and it starts in
// half the time: it opens SQLite files only. Whatever else is asked of it, it
// leaves to the program leasekit beside it, or on the PATH. "leasekit init" writes
// it into the configuration of clients where it is installed.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hook"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

func main() {
	env := cmdenv.Process(nil)
	os.Exit(run(context.Background(), env, os.Args[1:]))
}

// run answers the hook, or has leasekit do so.
func run(ctx context.Context, env *cmdenv.Env, args []string) int {
	// A process cannot take back what it has read and written.
	var read, out, warnings bytes.Buffer
	own := *env
	own.In, own.Out, own.Err = io.TeeReader(env.In, &read), &out, &warnings
	elsewhere := false
	own.Stores = func(string) open.Opener {
		return func(context.Context, open.Target) (lease.Manager, io.Closer, error) {
			elsewhere = true
			return nil, nil, errors.New("leasekit-hook opens SQLite files only, and leasekit is not installed beside it")
		}
	}
	status, hooked := exit.Failed, false
	if len(args) > 0 && args[0] == "hook" {
		cmd := hook.Command(&own)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SetArgs(args[1:])
		e := exit.Of(cmd.ExecuteContext(ctx))
		status, hooked = e.Status, e.Err == nil && !cmd.Flags().Changed("help")
	}
	if program := beside(); (!hooked || elsewhere) && program != "" {
		whole := exec.CommandContext(ctx, program, args...)
		whole.Stdin, whole.Stdout, whole.Stderr = io.MultiReader(&read, env.In), env.Out, env.Err
		whole.Dir, whole.Env = env.Dir, env.Environ
		err := whole.Run()
		var failed *exec.ExitError
		if err == nil || errors.As(err, &failed) {
			return whole.ProcessState.ExitCode()
		}
	}
	if !hooked {
		fmt.Fprintf(env.Err, "leasekit-hook: %s: this needs the program leasekit, beside this one or on the PATH\n", strings.Join(args, " "))
		return exit.Failed
	}
	_, _ = warnings.WriteTo(env.Err)
	if _, err := out.WriteTo(env.Out); err != nil && status == exit.OK {
		return exit.Failed
	}
	return status
}

// beside returns the program leasekit in the folder of this one, or on the PATH;
// empty if there is none.
func beside() string {
	name := "leasekit"
	if self, err := os.Executable(); err == nil {
		name = filepath.Join(filepath.Dir(self), "leasekit"+strings.ToLower(filepath.Ext(self)))
		if _, err := exec.LookPath(name); err != nil {
			name = "leasekit"
		}
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return found
}
