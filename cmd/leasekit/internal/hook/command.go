package hook

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
)

// Command returns the command that hosts run.
func Command(env *cmdenv.Env) *cobra.Command {
	o := Options{Wait: -1}
	var host string
	cmd := &cobra.Command{
		Use:   "hook",
		Short: "Answer a coding agent's hook (run by the agent, see init)",
		Long: `Hook reads what a coding agent's client says it is about to do, or has done, and
claims the files for its session. It refuses a call that writes a file that another
session holds. The client runs it; "leasekit init" sets that up.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Host = hosts.Host(host)
			if !cmd.Flags().Changed("wait") {
				o.Wait = -1
			}
			return exit.Silently(Run(cmd.Context(), env, o))
		},
	}
	f := cmd.Flags()
	f.StringVar(&host, "host", "", "the client: claude, codex, gemini, qwen, opencode, cursor or vscode (default: found out by what it says)")
	f.StringVar(&o.OnError, "on-error", "", "what happens to a call that cannot be checked: allow, with a warning, or deny (default: the configuration's on_error, else allow)")
	f.DurationVar(&o.Wait, "wait", 0, "how long a call waits in line before it is refused (default: the configuration's wait, else not at all)")
	f.DurationVar(&o.Deadline, "deadline", 0, "when the hook ends by itself, below the client's own time-out (default 50s)")
	cmd.PreRunE = func(*cobra.Command, []string) error { return checkFlags(host, o) }
	return cmd
}

// checkFlags refuses values that would change what the hook does in silence.
func checkFlags(host string, o Options) error {
	known := host == ""
	for _, h := range hosts.All() {
		known = known || host == string(h)
	}
	switch {
	case !known:
		return &exit.Error{Status: exit.Usage, Code: "usage", Err: errors.New("--host: no such client: " + host), Next: "leasekit hook --help"}
	case o.OnError != "" && o.OnError != allowError && o.OnError != denyError:
		return exit.Usagef("--on-error %q: want allow or deny", o.OnError)
	case o.Deadline != 0 && o.Deadline < time.Second:
		return exit.Usagef("--deadline %v: want 1s or more", o.Deadline)
	}
	return nil
}
