package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/lease"
)

func newGet(env *cmdenv.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get [flags] ID",
		Short:             "Show one lease or waiter, also one that has ended",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeIDs(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				l, err := store.Get(ctx, lease.ID(args[0]))
				switch {
				case err != nil:
					return err
				case wantsJSON(cmd):
					return writeErr(writeJSON(cmd.OutOrStdout(), l))
				}
				return writeErr(writeDetails(cmd.OutOrStdout(), l))
			})
		},
	}
	addFormat(cmd, formatTable, formatJSON)
	return cmd
}

// writeDetails writes everything about a lease for people.
func writeDetails(out io.Writer, l lease.Lease) error {
	now := time.Now()
	lines := [][2]string{
		{"ID", string(l.ID)},
		{"Holder", l.Holder},
		{"Claims", text.Claims(l.Claims, 0)},
		{"Status", leaseRow{Lease: l}.state()},
		{"Token", strconv.FormatUint(uint64(l.Token), 10)},
		{"Asked", text.Clock(l.CreatedAt, now)},
		{"Granted", text.Clock(l.GrantedAt, now)},
		{"Expires", text.Clock(l.ExpiresAt, now)},
		{"TTL", l.TTL.String()},
		{"Renewals", strconv.Itoa(l.Renewals)},
		{"Waited", text.Span(l.Waited)},
		{"Waiters", strconv.Itoa(l.Contention.Waiters)},
	}
	if l.Priority != 0 {
		lines = append(lines, [2]string{"Priority", strconv.Itoa(l.Priority)})
	}
	for _, key := range text.SortedKeys(l.Labels) {
		lines = append(lines, [2]string{"Label", key + "=" + l.Labels[key]})
	}
	for _, more := range [][2]string{
		{"Replaced", string(l.Replaced)}, {"Replaced by", string(l.ReplacedBy)},
		{"Revoked by", l.Revoked.Actor}, {"Reason", l.Revoked.Reason},
	} {
		if more[1] != "" {
			lines = append(lines, more)
		}
	}
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, line := range lines {
		_, _ = fmt.Fprintf(t, "%s:\t%s\n", line[0], text.Printable(line[1])) // kept for Flush
	}
	return t.Flush()
}

func newWho(env *cmdenv.Env) *cobra.Command {
	var names nameFlags
	var follow bool
	cmd := &cobra.Command{
		Use:   "who [flags] PATH",
		Short: "Show who holds a path",
		Long:  `Who lists the leases that reach a path: on the path itself, or on a tree above it.`,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				path, err := names.path(store.Location, args[0])
				if err != nil {
					return err
				}
				return list(ctx, cmd, env, store, listing{
					queries: []lease.Query{{Path: path}}, follow: follow,
					none: "nobody holds " + text.Printable(path),
				})
			})
		},
	}
	names.add(cmd)
	cmd.Flags().BoolVarP(&follow, "watch", "w", false, "go on with every change")
	addFormat(cmd, formatTable, formatWide, formatJSON, formatJSONL, formatName)
	return cmd
}

func newStats(env *cmdenv.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stats [flags]",
		Short: "Count leases, waiters and events",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				s, err := store.Stats(ctx)
				switch {
				case err != nil:
					return err
				case wantsJSON(cmd):
					return writeErr(writeJSON(cmd.OutOrStdout(), s))
				}
				return writeErr(writeStats(cmd.OutOrStdout(), store.Location, s))
			})
		},
	}
	addFormat(cmd, formatTable, formatJSON)
	return cmd
}

func writeStats(out io.Writer, l open.Location, s lease.Stats) error {
	oldest := "-"
	if !s.OldestWaiter.IsZero() {
		oldest = text.Span(s.Now.Sub(s.OldestWaiter))
	}
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, line := range [][2]string{
		{"Store", open.Redacted(l.URL) + " (from " + string(l.Source) + ")"},
		{"Tree", l.Root},
		{"Leases", strconv.Itoa(s.Active)},
		{"Waiters", strconv.Itoa(s.Pending)},
		{"Longest wait", oldest},
		{"Events", fmt.Sprintf("%d to %d", s.Oldest, s.Head)},
		{"Newest token", strconv.FormatUint(uint64(s.Token), 10)},
		{"Refused", strconv.FormatUint(s.Refused, 10)},
		{"Clock", s.Now.Local().Format(time.DateTime)},
	} {
		_, _ = fmt.Fprintf(t, "%s:\t%s\n", line[0], text.Printable(line[1])) // kept for Flush
	}
	return t.Flush()
}
