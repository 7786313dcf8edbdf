package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

func newForceRelease(env *cmdenv.Env) *cobra.Command {
	var f eventFlags // its filters are those of a query
	var who, reason string
	var all, dry bool
	cmd := &cobra.Command{
		Use:   "force-release [flags] --reason TEXT",
		Short: "End leases that others hold, and withdraw waiters",
		Long: `Force-release ends the leases that the filters select, whoever holds them, withdraws
the matching waiters, and prints what it ended. The holders learn of it, with the actor
and the reason, at their next renewal; until then they may still write. At least one
filter is needed, or --all. A tree lease is not reached by a --path inside of it: name
it by --id, --holder or --under.`,
		Example: `  leasekit force-release --holder agent-7 --reason "crashed, see ticket 42"
  leasekit force-release --dry-run --under src --reason "clean slate"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" {
				return usage(cmd, "no --reason given")
			}
			if who == "" {
				who = actor(env)
			}
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				q, err := f.query(cmd, store.Location)
				if err != nil {
					return err
				}
				q.All = all
				if q.Empty() && !all {
					return usage(cmd, "no filter given: --id, --holder, --path, --under, or --all for everything")
				}
				if !q.Empty() && all {
					return usage(cmd, "--all beside another filter")
				}
				return forceRelease(ctx, cmd, env, store, q, lease.Revocation{Actor: who, Reason: reason}, dry)
			})
		},
	}
	f.nameFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.id, "id", "", "this lease or waiter")
	flags.StringVar(&f.holder, "holder", "", "of this holder")
	flags.StringVar(&f.path, "path", "", "that reach this PATH")
	flags.StringVar(&f.under, "under", "", "on this PATH or below it")
	flags.BoolVar(&all, "all", false, "all leases and waiters of the namespace")
	flags.StringVar(&reason, "reason", "", "why (required): for the history and the holders")
	flags.StringVar(&who, "actor", "", "who does it (default: user@host)")
	flags.BoolVar(&dry, "dry-run", false, "only print what would be ended")
	addFormat(cmd, formatTable, formatWide, formatJSON, formatJSONL, formatName)
	return cmd
}

func forceRelease(
	ctx context.Context, cmd *cobra.Command, env *cmdenv.Env, store *open.Store, q lease.Query, r lease.Revocation, dry bool,
) error {
	stats, err := store.Stats(ctx)
	if err != nil {
		return err
	}
	var ended []lease.Lease
	if dry {
		q.Status = []lease.Status{lease.Pending, lease.Active}
		for l, err := range store.List(ctx, q) {
			if err != nil {
				return err
			}
			ended = append(ended, l)
		}
	} else if ended, err = store.ForceRelease(ctx, q, r); err != nil {
		return err
	}
	out := leaseRows(cmd, true, false)
	out.start(cmd.OutOrStdout())
	for _, l := range ended {
		if err := out.add(leaseRow{Lease: l, now: stats.Now}); err != nil {
			return writeErr(err)
		}
	}
	if err := out.end(env.Err, ""); err != nil {
		return writeErr(err)
	}
	verb := "ended"
	if dry {
		verb = "would end"
	}
	_, _ = fmt.Fprintf(env.Err, "%s %d\n", verb, len(ended))
	return nil
}

func newSweep(env *cmdenv.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sweep [flags]",
		Short: "Clean up what ended",
		Long: `Sweep records the end of expired leases and dead waiters, and forgets history and ended
leases past their retention. Long-running commands do it by themselves; an expired
lease is in nobody's way, swept or not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				r, err := store.Sweep(ctx)
				switch {
				case err != nil:
					return err
				case wantsJSON(cmd):
					return writeErr(writeJSON(cmd.OutOrStdout(), r))
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "expired %d, lapsed %d, forgotten %d, trimmed %d\n",
					r.Expired, r.Lapsed, r.Forgotten, r.Trimmed)
				return writeErr(err)
			})
		},
	}
	addFormat(cmd, formatTable, formatJSON)
	return cmd
}
