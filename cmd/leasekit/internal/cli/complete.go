package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/lease"
)

// completionTime bounds what a shell waits for while somebody types.
const completionTime = time.Second

// completeIDs offers the IDs of leases and waiters, each with what it is.
func completeIDs(env *cmdenv.Env) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		store, err := env.Open(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		defer store.Close() // only read from
		var ids []cobra.Completion
		for l, err := range store.List(ctx, lease.Query{Limit: 200}) {
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			ids = append(ids, cobra.CompletionWithDesc(string(l.ID), text.Printable(l.Holder)+": "+text.Claims(l.Claims, 2)))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeSettings offers the keys of the configuration.
func completeSettings(suffix string, directive cobra.ShellCompDirective) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		_, order, err := settingsOf(lease.DefaultConfig())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var keys []cobra.Completion
		for _, key := range order {
			keys = append(keys, key+suffix)
		}
		return keys, cobra.ShellCompDirectiveNoFileComp | directive
	}
}
