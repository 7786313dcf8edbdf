package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/top"
)

// The size of what top prints where there is no terminal.
const (
	plainWidth  = 120
	plainHeight = 60
)

func newTop(env *cmdenv.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "top",
		Short: "Watch the hottest paths, the longest waits and the holders",
		Long: `Top is a live view in the terminal: the paths most fought for, the longest waits, and
the leases, the oldest first. Tab goes to the next table, the arrows scroll it, / filters,
p pauses, q quits. Without a terminal it prints what it sees once.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				name := open.Redacted(store.URL)
				if isTerminal(env.Out) && isTerminal(env.In) {
					return top.Run(ctx, store.Manager, name, env.In, env.Out, env.Environ)
				}
				s := top.Once(ctx, store.Manager, name)
				if s.Err != nil {
					return s.Err
				}
				_, err := fmt.Fprintln(env.Out, top.Plain(s, plainWidth, plainHeight))
				return writeErr(err)
			})
		},
	}
}
