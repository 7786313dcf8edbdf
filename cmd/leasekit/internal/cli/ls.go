package cli

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/waits"
	"github.com/leasekit/leasekit/lease"
)

func newList(env *cmdenv.Env) *cobra.Command {
	var names nameFlags
	var holder string
	var all, follow bool
	cmd := &cobra.Command{
		Use:     "ls [flags] [PATH...]",
		Aliases: []string{"list"},
		Short:   "List leases: who holds what, until when, how many wait",
		Long: `Ls lists the leases that hold now, the oldest request first; with PATHs, those that
reach one of them or something below it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				queries, err := around(names, store.Location, args)
				if err != nil {
					return err
				}
				for i := range queries {
					queries[i].Holder = holder
					if all {
						queries[i].Status = []lease.Status{lease.Pending, lease.Active, lease.Expired, lease.Released, lease.Failed}
					}
				}
				return list(ctx, cmd, env, store, listing{queries: queries, all: all, follow: follow})
			})
		},
	}
	names.add(cmd)
	f := cmd.Flags()
	f.StringVar(&holder, "holder", "", "only of this holder")
	f.BoolVarP(&all, "all", "a", false, "waiters, and what has ended and is still remembered, too")
	f.BoolVarP(&follow, "watch", "w", false, "go on with every change")
	addFormat(cmd, formatTable, formatWide, formatJSON, formatJSONL, formatName)
	return cmd
}

// around returns the queries for what reaches one of the names, or lies below.
// Without names that is everything.
func around(names nameFlags, l open.Location, args []string) ([]lease.Query, error) {
	if len(args) == 0 {
		return []lease.Query{{}}, nil
	}
	var claims []lease.Claim
	for _, arg := range args {
		path, err := names.path(l, arg)
		if err != nil {
			return nil, err
		}
		claims = append(claims, lease.Claim{Path: path, Scope: lease.Tree})
	}
	return waits.Around(claims), nil
}

// listing is what ls and who list.
type listing struct {
	queries []lease.Query
	all     bool // not only what holds
	follow  bool
	none    string // what to say if there is nothing
}

// list prints leases, and with follow each change after that.
func list(ctx context.Context, cmd *cobra.Command, env *cmdenv.Env, store *open.Store, o listing) error {
	head, err := store.Stats(ctx) // before the leases are read, so that no change is missed
	if err != nil {
		return err
	}
	found, err := read(ctx, store, o)
	if err != nil {
		return err
	}
	if o.none == "" {
		o.none = "no leases"
	}
	r := leaseRows(cmd, o.all || o.follow, o.follow)
	r.start(cmd.OutOrStdout())
	for _, l := range found {
		if err := r.add(leaseRow{Lease: l, now: head.Now}); err != nil {
			return writeErr(err)
		}
	}
	if !o.follow {
		return writeErr(r.end(env.Err, o.none))
	}
	for e, err := range store.Watch(ctx, lease.Query{After: head.Head}) {
		if err != nil {
			return err
		}
		if e.Kind == lease.KindConfig || !slices.ContainsFunc(o.queries, func(q lease.Query) bool { return backend.Matches(q, e.Lease) }) {
			continue
		}
		if err := r.add(leaseRow{Lease: e.Lease, now: e.At}); err != nil {
			return writeErr(err)
		}
	}
	return nil
}

// read returns the leases, each with the number of its waiters.
func read(ctx context.Context, store *open.Store, o listing) ([]lease.Lease, error) {
	queue, err := waits.Take(ctx, store.Manager, o.queries...)
	if err != nil {
		return nil, err
	}
	seen := make(map[lease.ID]bool)
	var found []lease.Lease
	add := func(l lease.Lease) {
		if seen[l.ID] || l.Status != lease.Active && !o.all {
			return
		}
		seen[l.ID] = true
		if waiting := queue.For(l); len(waiting) > 0 && l.Status == lease.Active {
			l.Contention.Waiters = len(waiting)
		}
		found = append(found, l)
	}
	if !o.all {
		for _, l := range queue.Active {
			add(l)
		}
		return found, nil
	}
	for _, q := range o.queries {
		for l, err := range store.List(ctx, q) {
			if err != nil {
				return nil, err
			}
			add(l)
		}
	}
	return found, nil
}

// leaseRow is a lease in a table.
type leaseRow struct {
	lease.Lease
	now time.Time // by the store's clock
}

func leaseRows(cmd *cobra.Command, status, stream bool) *rows[leaseRow] {
	headers := []string{"HOLDER", "CLAIMS", "AGE", "EXPIRES IN", "WAITERS"}
	if status {
		headers = append([]string{"STATUS"}, headers...)
	}
	return &rows[leaseRow]{
		format: formatOf(cmd), headers: headers, wide: []string{"ID", "TOKEN", "RENEWALS", "LABELS"},
		stream: stream,
		name:   func(r leaseRow) string { return string(r.ID) },
		cells: func(r leaseRow, wide bool) []string {
			cells := []string{r.Holder, text.Claims(r.Claims, most(wide)), r.age(), r.expiresIn(), strconv.Itoa(r.Contention.Waiters)}
			if status {
				cells = append([]string{r.state()}, cells...)
			}
			if wide {
				cells = append(cells, string(r.ID), strconv.FormatUint(uint64(r.Token), 10), strconv.Itoa(r.Renewals), text.Labels(r.Labels))
			}
			return cells
		},
	}
}

// most is how many claims a cell shows: in wide, all.
func most(wide bool) int {
	if wide {
		return 0
	}
	return 3
}

// state is the status, and why it ended.
func (r leaseRow) state() string {
	if r.EndReason != "" && string(r.EndReason) != r.Status.String() {
		return r.Status.String() + " (" + string(r.EndReason) + ")"
	}
	return r.Status.String()
}

// age is how long it has been held, or waited for.
func (r leaseRow) age() string {
	since := r.GrantedAt
	if since.IsZero() {
		since = r.CreatedAt
	}
	return text.Span(r.now.Sub(since))
}

func (r leaseRow) expiresIn() string {
	if r.Status.Ended() {
		return "-"
	}
	return text.Span(r.ExpiresAt.Sub(r.now))
}

// formatOf is the value of the command's -o.
func formatOf(cmd *cobra.Command) *format {
	f, _ := cmd.Flags().Lookup(outputFlag).Value.(*format)
	return f
}
