package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/waits"
	"github.com/leasekit/leasekit/lease"
)

func newWhy(env *cmdenv.Env) *cobra.Command {
	var names nameFlags
	cmd := &cobra.Command{
		Use:   "why [flags] PATH|ID",
		Short: "Show who waits for whom, up to who holds",
		Long: `Why shows the chain from a waiter (its ID), or from everybody who waits for a path, to
those in the way: leases, earlier waiters, what their holders wait for in turn, up to
who only holds. A cycle is marked. Last comes the longest wait.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				s, err := waits.Take(ctx, store.Manager)
				if err != nil {
					return err
				}
				if l, ok := find(s, lease.ID(args[0])); ok && !names.raw {
					return printWhy(cmd, env, s, []lease.Lease{l}, args[0])
				}
				path, err := names.path(store.Location, args[0])
				if err != nil {
					return err
				}
				return printWhy(cmd, env, s, startsOf(s, path), path)
			})
		},
	}
	names.add(cmd)
	addFormat(cmd, formatTable, formatJSON)
	return cmd
}

// find returns the lease or waiter with an ID.
func find(s waits.Snapshot, id lease.ID) (lease.Lease, bool) {
	for _, all := range [][]lease.Lease{s.Waiting, s.Active} {
		for _, l := range all {
			if l.ID == id {
				return l, true
			}
		}
	}
	return lease.Lease{}, false
}

// startsOf returns where the chains of a path begin: at who waits for it, or else
// at who holds it.
func startsOf(s waits.Snapshot, path string) []lease.Lease {
	q := lease.Query{Path: path}
	for _, all := range [][]lease.Lease{s.Waiting, s.Active} {
		var starts []lease.Lease
		for _, l := range all {
			if backend.Matches(q, l) {
				starts = append(starts, l)
			}
		}
		if len(starts) > 0 {
			return starts
		}
	}
	return nil
}

// whyJSON is the answer of why for programs.
type whyJSON struct {
	Chains  []*waits.Node `json:"chains"`
	Longest *lease.Lease  `json:"longest_wait,omitempty"`
	Waited  string        `json:"waited,omitempty"` // of the longest wait
}

func printWhy(cmd *cobra.Command, env *cmdenv.Env, s waits.Snapshot, starts []lease.Lease, what string) error {
	answer := whyJSON{Chains: []*waits.Node{}}
	for _, l := range starts {
		n := s.Why(l)
		answer.Chains = append(answer.Chains, n)
		if w, ok := n.Longest(); ok && (answer.Longest == nil || w.CreatedAt.Before(answer.Longest.CreatedAt)) {
			answer.Longest, answer.Waited = &w, s.Age(w).String()
		}
	}
	if wantsJSON(cmd) {
		return writeErr(writeJSON(cmd.OutOrStdout(), answer))
	}
	if len(starts) == 0 {
		_, _ = fmt.Fprintf(env.Err, "nobody holds %s or waits for it\n", text.Printable(what))
		return nil
	}
	w := &treeWriter{out: cmd.OutOrStdout(), snapshot: s}
	for _, n := range answer.Chains {
		w.node(n, "", "")
	}
	if answer.Longest != nil {
		w.line("longest wait: %s, by %s for %s", text.Span(s.Age(*answer.Longest)), answer.Longest.Holder, text.Claims(answer.Longest.Claims, 3))
	}
	return writeErr(w.err)
}

// treeWriter draws chains as a tree.
type treeWriter struct {
	out      io.Writer
	snapshot waits.Snapshot
	err      error
}

func (w *treeWriter) line(format string, args ...any) {
	_, err := fmt.Fprintln(w.out, text.Printable(fmt.Sprintf(format, args...)))
	w.err = errors.Join(w.err, err)
}

// node writes a node and what is below it. first goes before its own line, rest
// before all others.
func (w *treeWriter) node(n *waits.Node, first, rest string) {
	l := n.Lease
	switch {
	case l.Status == lease.Active && n.Held.Path != "":
		w.line("%s%s holds %s since %s, for another %s", first, l.Holder, n.Held, text.Span(n.For), text.Span(l.ExpiresAt.Sub(w.snapshot.Now)))
	case l.Status == lease.Active:
		w.line("%s%s holds %s since %s, for another %s", first, l.Holder, text.Claims(l.Claims, 3), text.Span(n.For), text.Span(l.ExpiresAt.Sub(w.snapshot.Now)))
	default:
		w.line("%s%s waits %s for %s, place %d in line", first, l.Holder, text.Span(n.For), text.Claims(l.Claims, 3), w.snapshot.Place(waits.Of(l)))
	}
	if n.Again {
		w.line("%s└─ (see above)", rest)
		return
	}
	for i, next := range n.Next {
		if i == len(n.Next)-1 && n.More == 0 {
			w.node(next, rest+"└─ ", rest+"   ")
		} else {
			w.node(next, rest+"├─ ", rest+"│  ")
		}
	}
	if n.More > 0 {
		w.line("%s└─ and %d more", rest, n.More)
	}
}
