package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// withStore opens the store, runs f, and closes it. Ctrl-C and SIGTERM end f's
// context.
func withStore(cmd *cobra.Command, env *cmdenv.Env, f func(context.Context, *open.Store) error) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	store, err := env.Open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(interrupted(ctx, f(ctx, store)), store.Close())
}

// releaseTime bounds the release: the lease also ends by itself.
const releaseTime = 5 * time.Second

// release gives a lease up, also after the end of ctx. What goes wrong is said,
// for callers whose exit status tells something else.
func release(ctx context.Context, env *cmdenv.Env, store *open.Store, ref lease.Ref) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	err := store.Release(ctx, ref)
	if err != nil {
		warn(env, "%v", err)
	}
	return err
}
