package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/child"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/lease"
)

func newAcquire(env *cmdenv.Env) *cobra.Command {
	var f requestFlags
	var id string
	cmd := &cobra.Command{
		Use:   "acquire [flags] PATH...",
		Short: "Acquire a lease for a script, and print it",
		Long: `Acquire acquires a lease on all PATHs or on none, and prints it as assignments for a
shell, or as JSON. Nothing renews it: it ends by itself after --ttl unless the
script renews or releases it. Prefer run where one command is all that is done.`,
		Example: `  lease=$(leasekit acquire --ttl 5m src/main.go) && eval "$lease"
  leasekit renew
  leasekit release`,
		Args: needPaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			location, err := env.Locate()
			if err != nil {
				return err
			}
			request, err := f.request(cmd, env, location, args)
			if err != nil {
				return err
			}
			request.ID = lease.ID(id)
			return acquire(cmd, env, location, request, f)
		},
	}
	f.add(cmd, 0)
	cmd.Flags().Lookup("ttl").Usage = "how long the lease lasts unless it is renewed (default: the configuration's default_ttl)"
	cmd.Flags().StringVar(&id, "id", "", "the request's ID: asked again with the same one, it is the same lease (default: a new one)")
	addFormat(cmd, formatShell, formatJSON)
	return cmd
}

func acquire(cmd *cobra.Command, env *cmdenv.Env, location open.Location, request lease.Request, f requestFlags) error {
	signals := make(chan os.Signal, 16)
	child.Notify(signals)
	var store *open.Store
	var granted lease.Lease
	ended, err := untilSignal(cmd.Context(), signals, func(ctx context.Context) (err error) {
		if store, err = location.Open(ctx, nil); err != nil {
			return err
		}
		granted, err = obtain(ctx, env, store, request, f.noWait)
		return err
	})
	if store != nil {
		defer store.Close() // the lease is in the store, or is not
	}
	switch {
	case ended != nil:
		if err == nil {
			_ = release(cmd.Context(), env, store, granted.Ref())
		}
		return exit.Silently(child.Status(ended))
	case err != nil:
		return notObtained(err, f.status)
	}
	if err := printLease(cmd, granted); err != nil {
		// Nobody can release what nobody was told of.
		_ = release(cmd.Context(), env, store, granted.Ref())
		return err
	}
	return nil
}

// printLease writes a lease as -o says.
func printLease(cmd *cobra.Command, l lease.Lease) error {
	if wantsJSON(cmd) {
		return writeErr(writeJSON(cmd.OutOrStdout(), l))
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), shellText(l))
	return writeErr(err)
}

// shellText is a lease as assignments for a shell.
func shellText(l lease.Lease) string {
	var b strings.Builder
	for _, pair := range [][2]string{
		{envID, string(l.ID)},
		{envToken, strconv.FormatUint(uint64(l.Token), 10)},
		{envHolder, l.Holder},
		{envExpires, l.ExpiresAt.UTC().Format(time.RFC3339Nano)},
	} {
		b.WriteString("export " + pair[0] + "=" + text.ShellQuote(pair[1]) + "\n")
	}
	return b.String()
}

// refFlags name a lease that a script holds.
type refFlags struct {
	holder string
	token  uint64
}

func (r *refFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.holder, "holder", "", "the lease's holder (default: LEASEKIT_HOLDER)")
	cmd.Flags().Uint64Var(&r.token, "token", 0, "the lease's token (default: LEASEKIT_TOKEN)")
}

// ref is the lease that the flags, the argument or the environment name.
func (r refFlags) ref(cmd *cobra.Command, env *cmdenv.Env, args []string, needToken bool) (lease.Ref, error) {
	ref := lease.Ref{ID: lease.ID(env.Getenv(envID)), Holder: r.holder, Token: lease.Token(r.token)}
	named := len(args) > 0 && args[0] != string(ref.ID)
	if len(args) > 0 {
		ref.ID = lease.ID(args[0])
	}
	if ref.Holder == "" {
		ref.Holder = hosts.HolderFromEnv(env.Getenv)
	}
	if text := env.Getenv(envToken); ref.Token == 0 && text != "" && !named {
		token, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return ref, usage(cmd, "%s=%q is not a number", envToken, text)
		}
		ref.Token = lease.Token(token)
	}
	switch {
	case ref.ID == "":
		return ref, usage(cmd, "no ID given, and no %s in the environment", envID)
	case ref.Holder == "":
		return ref, usage(cmd, "no --holder given, and no %s in the environment", envHolder)
	case needToken && ref.Token == 0:
		return ref, usage(cmd, "no --token given, and no %s in the environment", envToken)
	}
	return ref, nil
}

func newRenew(env *cmdenv.Env) *cobra.Command {
	var f refFlags
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:   "renew [flags] [ID]",
		Short: "Renew a lease that a script holds, and print it",
		Long: `Renew moves the end of a lease to --ttl from now, and prints it. The ID, the holder
and the token are those that acquire printed. A lease that is gone is exit status 76,
and the error says why.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeIDs(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := f.ref(cmd, env, args, true)
			if err != nil {
				return err
			}
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				l, err := store.Renew(ctx, ref, ttl)
				if err != nil {
					return err
				}
				return printLease(cmd, l)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long it lasts from now on (default: as long as it was granted for, and never shorter than it would)")
	addFormat(cmd, formatShell, formatJSON)
	return cmd
}

func newRelease(env *cmdenv.Env) *cobra.Command {
	var f refFlags
	cmd := &cobra.Command{
		Use:   "release [flags] [ID]",
		Short: "Release a lease that a script holds",
		Long: `Release ends a lease, or gives up a place in line. The ID, the holder and the token
are those that acquire printed; without a token, whatever has the ID and the holder is
released. Releasing again what is released is no error. A lease that was lost before
is exit status 76.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeIDs(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := f.ref(cmd, env, args, false)
			if err != nil {
				return err
			}
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				err := store.Release(ctx, ref)
				store.Tidy(ctx)
				return err
			})
		},
	}
	f.add(cmd)
	return cmd
}
