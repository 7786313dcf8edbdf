// Package cli is the command line: one file a command.
package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hook"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/serve"
)

// Main runs the command line and returns the exit status. It never exits the
// process itself.
func Main(ctx context.Context, env *cmdenv.Env, args []string) int {
	root := newRoot(env, args)
	root.SetArgs(args)
	began := false
	noteBegin(root, &began)
	cmd, err := root.ExecuteContextC(ctx)
	var own *exit.Error
	if err != nil && !began && !errors.As(err, &own) {
		// What cobra finds wrong before a command begins it only has words for.
		err = usage(cmd, "%w", err)
	}
	return report(env, cmd, err)
}

// noteBegin has each command tell that it has begun.
func noteBegin(c *cobra.Command, began *bool) {
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			*began = true
			return run(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		noteBegin(sub, began)
	}
}

// newRoot returns the root command for a command line. A hook runs thousands of
// times, and the other commands are not made for it.
func newRoot(env *cmdenv.Env, args []string) *cobra.Command {
	if len(args) == 0 || args[0] != "hook" {
		return New(env)
	}
	root := bare(env)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(hook.Command(env))
	return root
}

// New returns the root command with all others below it.
func New(env *cmdenv.Env) *cobra.Command {
	root := bare(env)
	root.AddCommand(
		newRun(env), newAcquire(env), newRenew(env), newRelease(env),
		newCheck(env), newList(env), newGet(env), newWho(env), newQueue(env), newWhy(env), newStats(env),
		newHistory(env), newWatch(env), newAudit(env),
		newForceRelease(env), newConfig(env), newSweep(env), newAllow(env), newTop(env), newMan(),
	)
	root.AddCommand(agents(env)...)
	root.AddCommand(serve.Command(env))
	return root
}

// bare returns the root command with no other below it.
func bare(env *cmdenv.Env) *cobra.Command {
	root := &cobra.Command{
		Use:           "leasekit",
		Short:         "Leases on files and other paths, for scripts, people and coding agents",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &exit.Error{Status: exit.Usage, Code: "usage", Next: cmd.CommandPath() + " --help", Err: err}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&env.Store, "store", "", "store: a file, or sqlite:, redis:, rediss:, postgres: and what follows (default: LEASEKIT_STORE, .leasekit.json, the git directory)")
	flags.StringVar(&env.Namespace, "namespace", "", "namespace inside the store (default: LEASEKIT_NAMESPACE)")
	return root
}
