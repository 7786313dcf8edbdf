package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/child"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
)

// keptTTL is the TTL of a lease that is renewed while a command runs: short, so
// that what a crash leaves behind is soon free.
const keptTTL = 30 * time.Second

// What to do with the command when the lease is lost.
const (
	lostStop = "stop"
	lostWarn = "warn"
)

type runFlags struct {
	requestFlags
	grace       time.Duration
	onLost      string
	holdAtLeast time.Duration
	verbose     bool
}

func newRun(env *cmdenv.Env) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [flags] PATH... -- COMMAND [ARG...]",
		Short: "Run a command under a lease",
		Long: `Run acquires a lease on all PATHs or on none, runs the command, keeps the lease
renewed meanwhile, and releases it.

The command is started without a shell, has standard input, output and error as
they are, and a process group of its own. Every signal that run gets goes on to that
group; while run still waits for the lease, a signal ends the wait at once.
The exit status is the command's, 128+n if signal n ended it, or one of:

  64  the command line is wrong
  69  the store is out of reach
  75  the lease was not obtained (-E changes that)
  76  the lease was lost while the command ran
  126, 127  the command cannot be started, was not found

When the lease is lost, the command's group gets SIGTERM, and SIGKILL after
--grace. The command finds LEASEKIT_ID, LEASEKIT_TOKEN, LEASEKIT_HOLDER,
LEASEKIT_STORE and LEASEKIT_NAMESPACE in its environment. A leasekit that it runs
has the same holder, and so is not kept out by this lease; to keep several such
commands apart from each other, give each a --holder of its own.`,
		Example: `  leasekit run src/main.go -- make
  leasekit run -t src -- gofmt -w src
  leasekit run -n --hold-at-least 50s --raw jobs/nightly -- ./nightly.sh
  leasekit run -s -w 10s config.json -- cat config.json`,
		Args: runArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			at := cmd.ArgsLenAtDash()
			return f.run(cmd, env, args[:at], args[at:])
		},
	}
	f.add(cmd, keptTTL)
	flags := cmd.Flags()
	flags.DurationVar(&f.grace, "grace", 10*time.Second, "when the lease is lost: time between SIGTERM and SIGKILL")
	flags.StringVar(&f.onLost, "on-lost", lostStop, "when the lease is lost: stop the command, or only warn")
	flags.DurationVar(&f.holdAtLeast, "hold-at-least", 0, "keep the lease so long in any case, so that a second copy started a moment later does not run")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "say what happens to the lease")
	_ = cmd.RegisterFlagCompletionFunc("on-lost", cobra.FixedCompletions([]string{lostStop, lostWarn}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// runArgs checks that there are PATHs, "--", and a command.
func runArgs(cmd *cobra.Command, args []string) error {
	switch at := cmd.ArgsLenAtDash(); {
	case at < 0:
		return usage(cmd, `no "--" between the PATHs and the command`)
	case at == 0:
		return usage(cmd, `no PATH before "--"`)
	case at == len(args):
		return usage(cmd, `no command after "--"`)
	}
	return nil
}

// run is the whole of the command.
func (f *runFlags) run(cmd *cobra.Command, env *cmdenv.Env, names, command []string) error {
	switch {
	case f.onLost != lostStop && f.onLost != lostWarn:
		return usage(cmd, "--on-lost %s: want %s or %s", f.onLost, lostStop, lostWarn)
	case f.grace < 0 || f.holdAtLeast < 0:
		return usage(cmd, "--grace %v, --hold-at-least %v: want at least 0", f.grace, f.holdAtLeast)
	}
	program, err := child.Find(command[0])
	if err != nil {
		return notStarted(err)
	}
	location, err := env.Locate()
	if err != nil {
		return err
	}
	request, err := f.request(cmd, env, location, names)
	if err != nil {
		return err
	}
	// If this process is killed, the lease must still last as long as it is to.
	request.TTL = max(request.TTL, f.holdAtLeast)

	signals := make(chan os.Signal, 16)
	child.Notify(signals)
	r := &running{
		flags: f, env: env, signals: signals, request: request,
		command: child.Command{Path: program, Args: command, Dir: env.Dir, Files: standardFiles(env)},
	}
	return r.all(cmd.Context(), location)
}

func notStarted(err error) error {
	return &exit.Error{Status: child.StartStatus(err), Code: "command", Err: err}
}

// standardFiles returns the standard streams as files, so that the command gets
// them as they are. Where a test has something else, it gets none.
func standardFiles(env *cmdenv.Env) []*os.File {
	files := make([]*os.File, 3)
	for i, stream := range []any{env.In, env.Out, env.Err} {
		files[i], _ = stream.(*os.File)
	}
	return files
}

// say tells what happens to the lease, with -v.
func (f *runFlags) say(env *cmdenv.Env, format string, args ...any) {
	if f.verbose {
		warn(env, format, args...)
	}
}

// warn tells people something, on standard error.
func warn(env *cmdenv.Env, format string, args ...any) {
	_, _ = fmt.Fprintln(env.Err, "leasekit: "+text.Lines(fmt.Sprintf(format, args...)))
}
