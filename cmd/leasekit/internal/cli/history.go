package cli

import (
	"context"
	"iter"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/lease"
)

// eventFlags select events.
type eventFlags struct {
	nameFlags
	path, under, holder, id string
	kinds                   []string
	since                   time.Duration
	after                   uint64
	limit                   int
}

func (e *eventFlags) add(cmd *cobra.Command) {
	e.nameFlags.add(cmd)
	f := cmd.Flags()
	f.StringVar(&e.path, "path", "", "only of leases that reach this PATH")
	f.StringVar(&e.under, "under", "", "only of leases on this PATH or below it")
	f.StringVar(&e.holder, "holder", "", "only of this holder")
	f.StringVar(&e.id, "id", "", "only of this request")
	f.StringSliceVar(&e.kinds, "kind", nil, "only of these kinds: queued, granted, renewed, relabelled, released, expired, lapsed, withdrawn, revoked, replaced, transferred, config")
	f.Uint64Var(&e.after, "after", 0, "only events after this number")
	f.IntVar(&e.limit, "limit", 0, "so many events at most (default: all)")
	var kinds []string
	for _, k := range lease.Kinds() {
		kinds = append(kinds, string(k))
	}
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kinds, cobra.ShellCompDirectiveNoFileComp))
}

// query builds the query. A kind that does not exist is a wrong command line.
func (e *eventFlags) query(cmd *cobra.Command, l open.Location) (lease.Query, error) {
	if e.limit < 0 || e.since < 0 {
		return lease.Query{}, usage(cmd, "--limit %d, --since %v: want at least 0", e.limit, e.since)
	}
	q := lease.Query{ID: lease.ID(e.id), Holder: e.holder, After: lease.Seq(e.after), Limit: e.limit}
	for _, name := range []struct {
		arg  string
		path *string
	}{{e.path, &q.Path}, {e.under, &q.Under}} {
		if name.arg == "" {
			continue
		}
		path, err := e.nameFlags.path(l, name.arg)
		if err != nil {
			return q, err
		}
		*name.path = path
	}
	for _, k := range e.kinds {
		kind, ok := kindOf(k)
		if !ok {
			return q, usage(cmd, "--kind %s: there is no such kind", k)
		}
		q.Kinds = append(q.Kinds, kind)
	}
	return q, nil
}

func kindOf(name string) (lease.Kind, bool) {
	for _, k := range lease.Kinds() {
		if string(k) == name {
			return k, true
		}
	}
	return "", false
}

func newHistory(env *cmdenv.Env) *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use:   "history [flags] [PATH]",
		Short: "Print what happened, the oldest event first",
		Long: `History prints the recorded events: who asked, was granted, renewed, released, and
what ended otherwise. With a PATH, those of leases that reach it.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.path = args[0]
			}
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				q, err := f.query(cmd, store.Location)
				if err != nil {
					return err
				}
				var from time.Time
				if f.since > 0 {
					s, err := store.Stats(ctx)
					if err != nil {
						return err
					}
					from = s.Now.Add(-f.since)
				}
				limit := q.Limit
				if f.since > 0 {
					q.Limit = 0 // counts only what is shown
				}
				return printEvents(cmd, env, since(store.History(ctx, q), from, limit), false)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().DurationVar(&f.since, "since", 0, "only of the last so long")
	addFormat(cmd, formatTable, formatWide, formatJSON, formatJSONL)
	return cmd
}

// since leaves out the events before a moment, and those after so many; 0 is no
// limit.
func since(events iter.Seq2[lease.Event, error], from time.Time, limit int) iter.Seq2[lease.Event, error] {
	return func(yield func(lease.Event, error) bool) {
		shown := 0
		for e, err := range events {
			if err == nil && e.At.Before(from) {
				continue
			}
			if !yield(e, err) {
				return
			}
			if shown++; limit > 0 && shown == limit {
				return
			}
		}
	}
}

func newWatch(env *cmdenv.Env) *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use:   "watch [flags] [PATH]",
		Short: "Print what happens, as it happens",
		Long: `Watch prints each event from now on, or from --after on, until it is interrupted. With a
PATH, those of leases that reach it.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.path = args[0]
			}
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				q, err := f.query(cmd, store.Location)
				if err != nil {
					return err
				}
				if !cmd.Flags().Changed("after") {
					q.After = lease.Now
				}
				return printEvents(cmd, env, store.Watch(ctx, q), true)
			})
		},
	}
	f.add(cmd)
	addFormat(cmd, formatTable, formatWide, formatJSON, formatJSONL)
	return cmd
}

func printEvents(cmd *cobra.Command, env *cmdenv.Env, events iter.Seq2[lease.Event, error], stream bool) error {
	r := &rows[lease.Event]{
		format: formatOf(cmd), stream: stream,
		headers: []string{"EVENT", "AT", "KIND", "HOLDER", "CLAIMS", "BECAUSE"},
		wide:    []string{"ID", "TOKEN", "LABELS"},
		cells: func(e lease.Event, wide bool) []string {
			cells := []string{
				strconv.FormatUint(uint64(e.Seq), 10), e.At.Local().Format("2006-01-02 15:04:05.000"), string(e.Kind),
				dash(e.Lease.Holder), dash(text.Claims(e.Lease.Claims, most(wide))), dash(because(e)),
			}
			if wide {
				cells = append(cells, dash(string(e.Lease.ID)), strconv.FormatUint(uint64(e.Lease.Token), 10), text.Labels(e.Lease.Labels))
			}
			return cells
		},
	}
	r.start(cmd.OutOrStdout())
	for e, err := range events {
		if err != nil {
			_ = r.flush() // what came before the error is still shown
			return err
		}
		if err := r.add(e); err != nil {
			return writeErr(err)
		}
	}
	return writeErr(r.end(env.Err, "no events"))
}

// because is who did it and why, where an event says so.
func because(e lease.Event) string {
	text := e.Actor
	if e.Kind == lease.KindWithdrawn {
		text = string(e.Lease.EndReason)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}
