package cli

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/child"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/lease"
)

// running is one run of a command under a lease.
type running struct {
	flags   *runFlags
	env     *cmdenv.Env
	signals <-chan os.Signal
	request lease.Request
	command child.Command
}

// all opens the store, waits for the lease, runs the command and gives the lease
// up.
func (r *running) all(ctx context.Context, location open.Location) error {
	var store *open.Store
	var granted lease.Lease
	ended, err := untilSignal(ctx, r.signals, func(ctx context.Context) (err error) {
		if store, err = location.Open(ctx, nil); err != nil {
			return err
		}
		granted, err = obtain(ctx, r.env, store, r.request, r.flags.noWait)
		return err
	})
	if store != nil {
		defer store.Close() // nothing depends on how that ends: the lease is given up before
	}
	switch {
	case err == nil && ended != nil:
		_ = release(ctx, r.env, store, granted.Ref())
		return exit.Silently(child.Status(ended))
	case ended != nil:
		return exit.Silently(child.Status(ended))
	case err != nil:
		return notObtained(err, r.flags.status)
	}
	r.flags.say(r.env, "holds %s (token %d) after %s", text.Claims(granted.Claims, 3), granted.Token, text.Span(granted.Waited))
	return r.under(ctx, store, granted)
}

// under runs the command under the lease.
func (r *running) under(ctx context.Context, store *open.Store, granted lease.Lease) error {
	since := time.Now()
	keeper := lease.NewKeeper(store.Manager, nil)
	defer keeper.Close()
	held, err := keeper.Keep(context.Background(), granted, nil)
	if err != nil {
		_ = release(ctx, r.env, store, granted.Ref())
		return err
	}
	r.command.Env = childEnv(r.env, store, granted)
	process, err := child.Start(r.command)
	if err != nil {
		_ = release(ctx, r.env, store, granted.Ref())
		return notStarted(err)
	}
	status := r.supervise(process, held)
	process.Reclaim()
	lost := held.Err()
	if lost == nil {
		lost = r.giveUp(store, held, since)
	}
	store.Tidy(ctx)
	if errors.Is(lost, lease.ErrLost) && r.flags.onLost == lostStop {
		e := *exit.Of(lost)
		e.Status = exit.Lost
		return &e
	}
	return exit.Silently(status)
}

// supervise passes signals on, stops the command if the lease is lost, and
// returns its exit status.
func (r *running) supervise(process *child.Child, held *lease.Held) int {
	lost := held.Context().Done()
	var contended <-chan struct{}
	if r.flags.verbose {
		contended = held.Contended()
	}
	var grace <-chan time.Time
	var suspending bool // Ctrl-Z came here, since the command has no terminal
	for {
		select {
		case state := <-process.States():
			switch {
			case !state.Stopped:
				if grace != nil {
					process.Outlast(grace)
				}
				return state.Status
			case process.HasTerminal(), suspending:
				suspending = false
				process.Suspend()
			}
		case s := <-r.signals:
			suspending = suspending || child.Stops(s)
			process.Signal(s)
		case <-contended:
			contended = nil
			r.flags.say(r.env, "somebody waits for %s", text.Claims(r.request.Claims, 3))
		case <-lost:
			lost = nil
			warn(r.env, "the lease is lost: %v", held.Err())
			if r.flags.onLost == lostStop {
				process.Terminate()
				grace = time.After(r.flags.grace)
			}
		case <-grace:
			grace = closedTime
			process.Kill()
		}
	}
}

// closedTime is a time that has come, once and for ever.
var closedTime = func() <-chan time.Time {
	c := make(chan time.Time)
	close(c)
	return c
}()

// giveUp releases the lease, or has it last for what is left of --hold-at-least.
// It returns the loss if there was nothing left to give up.
func (r *running) giveUp(store *open.Store, held *lease.Held, since time.Time) error {
	granted := held.Lease()
	left := r.flags.holdAtLeast - time.Since(since)
	if left < lease.MinTTL {
		return release(context.Background(), r.env, store, granted.Ref())
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	_, err := store.Renew(ctx, granted.Ref(), left)
	switch {
	case errors.Is(err, lease.ErrRenewalLimit), errors.Is(err, lease.ErrInvalid):
		return nil // it lasts as long as it was to
	case err != nil:
		warn(r.env, "%v", err)
		return err
	}
	r.flags.say(r.env, "holds on to it for another %s", text.Span(left))
	return nil
}

// childEnv is the command's environment: this one's, and which lease it runs
// under.
func childEnv(env *cmdenv.Env, store *open.Store, l lease.Lease) []string {
	own := []string{
		envID + "=" + string(l.ID),
		envToken + "=" + strconv.FormatUint(uint64(l.Token), 10),
		envHolder + "=" + l.Holder,
		open.EnvStore + "=" + store.URL,
	}
	if store.Namespace != "" {
		own = append(own, open.EnvNamespace+"="+store.Namespace)
	}
	var environ []string
	for _, pair := range env.Environ {
		key, _, _ := strings.Cut(pair, "=")
		replaced := false
		for _, o := range own {
			replaced = replaced || strings.HasPrefix(o, key+"=")
		}
		if !replaced {
			environ = append(environ, pair)
		}
	}
	return append(environ, own...)
}
