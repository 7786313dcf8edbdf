package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

func newAudit(env *cmdenv.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit [flags]",
		Short: "Replay the history and prove that the rules were kept",
		Long: `Audit replays the recorded history and proves from it that no two leases that exclude
each other overlapped, that tokens rose, and that the order of the queue was kept. The
exit status is 1 if a rule was broken.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				return replay(ctx, cmd, env, store)
			})
		},
	}
	addFormat(cmd, formatTable, formatJSON)
	return cmd
}

func replay(ctx context.Context, cmd *cobra.Command, env *cmdenv.Env, store *open.Store) error {
	stats, err := store.Stats(ctx)
	if err != nil {
		return err
	}
	config, err := store.Config(ctx)
	if err != nil {
		return err
	}
	if !config.History {
		warn(env, "the history is switched off (config set history=true): only what was recorded before is judged")
	}
	report, err := audit.Replay(store.History(ctx, lease.Query{All: true}), &audit.Options{
		// The first events are gone if the oldest that is kept is not the first one.
		Partial: stats.Oldest > 1, Config: &config,
	})
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		violations := report.Violations
		if violations == nil {
			violations = []audit.Violation{}
		}
		err = writeJSON(cmd.OutOrStdout(), map[string]any{"violations": violations, "summary": report.Summary})
	} else {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), text.Lines(report.Summary.String()))
	}
	if err != nil {
		return writeErr(err)
	}
	if broken := report.Err(); broken != nil {
		warn(env, "%v", broken)
		return exit.Silently(exit.Failed)
	}
	if !wantsJSON(cmd) {
		warn(env, "no rule was broken")
	}
	return nil
}
