package cli

import (
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/waits"
	"github.com/leasekit/leasekit/lease"
)

func newQueue(env *cmdenv.Env) *cobra.Command {
	var names nameFlags
	cmd := &cobra.Command{
		Use:   "queue [flags] [PATH...]",
		Short: "List who waits, in the order of the queue",
		Long: `Queue lists the waiters in the order of the queue, each with its place among those
it must let pass (1 is the next) and the first one in its way.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				queries, err := around(names, store.Location, args)
				if err != nil {
					return err
				}
				s, err := waits.Take(ctx, store.Manager, queries...)
				if err != nil {
					return err
				}
				asked := s.Waiting
				if len(args) > 0 && len(asked) > 0 {
					// Places, and who may pass whom, follow from other paths too.
					if s, err = waits.Take(ctx, store.Manager); err != nil {
						return err
					}
					asked = slices.DeleteFunc(asked, func(l lease.Lease) bool {
						return !slices.ContainsFunc(s.Waiting, func(w lease.Lease) bool { return w.ID == l.ID })
					})
				}
				return printQueue(cmd, env, s, asked)
			})
		},
	}
	names.add(cmd)
	addFormat(cmd, formatTable, formatWide, formatJSON, formatJSONL, formatName)
	return cmd
}

// waiterJSON is a waiter for programs.
type waiterJSON struct {
	Place   int         `json:"place"`
	Waited  string      `json:"waited"`
	Waiter  lease.Lease `json:"waiter"`
	Blocker string      `json:"blocker,omitempty"` // the holder of the first one in its way
}

func printQueue(cmd *cobra.Command, env *cmdenv.Env, s waits.Snapshot, asked []lease.Lease) error {
	r := &rows[waiterJSON]{
		format:  formatOf(cmd),
		headers: []string{"PLACE", "HOLDER", "WAITS FOR", "WAITED", "PRIORITY", "IN ITS WAY"},
		wide:    []string{"ID", "LABELS"},
		name:    func(w waiterJSON) string { return string(w.Waiter.ID) },
		cells: func(w waiterJSON, wide bool) []string {
			cells := []string{
				strconv.Itoa(w.Place), w.Waiter.Holder, text.Claims(w.Waiter.Claims, most(wide)),
				text.Span(s.Age(w.Waiter)), strconv.Itoa(w.Waiter.Priority), w.Blocker,
			}
			if wide {
				cells = append(cells, string(w.Waiter.ID), text.Labels(w.Waiter.Labels))
			}
			return cells
		},
	}
	r.start(cmd.OutOrStdout())
	for _, w := range asked {
		row := waiterJSON{Place: s.Place(waits.Of(w)), Waited: s.Age(w).String(), Waiter: w}
		if blockers := s.InTheWay(waits.Of(w)); len(blockers) > 0 {
			row.Blocker = blockers[0].Lease.Holder
		}
		if err := r.add(row); err != nil {
			return writeErr(err)
		}
	}
	return writeErr(r.end(env.Err, "nobody waits"))
}
