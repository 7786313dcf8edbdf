package lease

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// Do acquires a lease, runs f while it is kept renewed, and releases it: when f
// returns, panics, or ends its goroutine, and also when ctx has ended.
//
// A request without a Holder gets one of its own ([NewHolder]). One without a
// TTL has that of Config.KeepTTL, 30 seconds by default: that is how long a
// process that crashed blocks the paths, however long f would have run.
//
// The context of f is a child of ctx. When the lease is lost it ends with the
// loss as its cause ([context.Cause]): before anybody else can be granted the
// paths if it was not renewed in time, and at the next renewal if it was ended
// by force; f should then stop. When ctx ends, the lease is still renewed until f
// returns.
//
// Do returns the error of Acquire, or else that of f joined with that of the
// release: if the lease was lost, the error is [ErrLost] even if f returned
// nil. Another error of the release ([ErrUnavailable]) means that f ran under
// the lease to its end, and that the lease may last until its expiry.
func Do(ctx context.Context, a Acquirer, r Request, f func(ctx context.Context, l Lease) error) error {
	if f == nil {
		return errNoFunction()
	}
	k := NewKeeper(a, nil)
	defer k.Close()
	return k.Do(ctx, r, nil, func(ctx context.Context, h *Held) error {
		return f(ctx, h.Lease())
	})
}

// Do is the function [Do] with this Keeper, whose goroutine many calls share.
// f can use what is held: [Held.Contended], [Held.Progress], [Held.Replace]. On a
// closed Keeper nothing is asked for: [ErrClosed].
func (k *Keeper) Do(ctx context.Context, r Request, o *KeepOptions, f func(ctx context.Context, h *Held) error) (err error) {
	if f == nil {
		return errNoFunction()
	}
	h, err := k.acquire(ctx, false, Acquirer.Acquire, r, o)
	if err != nil {
		return err
	}
	// Deferred and without recover: a panic goes on with its own stack.
	defer func() {
		err = joined(err, afterwards(ctx, h.Lease(), h.Release))
	}()
	return f(h.Context(), h)
}

// Acquire acquires a lease and keeps it, as [Keeper.Keep] does: it waits as
// [Acquirer.Acquire] does. Holder and TTL may be left out, as for [Do]. On a
// closed Keeper nothing is asked for: [ErrClosed].
func (k *Keeper) Acquire(ctx context.Context, r Request, o *KeepOptions) (*Held, error) {
	return k.acquire(ctx, true, Acquirer.Acquire, r, o)
}

// TryAcquire is [Keeper.Acquire] without waiting.
func (k *Keeper) TryAcquire(ctx context.Context, r Request, o *KeepOptions) (*Held, error) {
	return k.acquire(ctx, true, Acquirer.TryAcquire, r, o)
}

// acquire asks for a lease and keeps it; what cannot be kept is given back. If
// it is detached, the context of what is held outlives ctx.
func (k *Keeper) acquire(
	ctx context.Context, detached bool,
	ask func(Acquirer, context.Context, Request) (Lease, error), r Request, o *KeepOptions,
) (*Held, error) {
	if err := k.open(); err != nil {
		return nil, err
	}
	if ctx == nil {
		return nil, errNoContext()
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	parent := ctx
	if detached {
		parent = context.WithoutCancel(ctx)
	}
	if r.Holder == "" {
		r.Holder = NewHolder(filepath.Base(os.Args[0]))
	}
	if r.TTL == 0 {
		r.TTL = KeepTTL
	}
	l, err := ask(k.acquirer, ctx, r)
	if err != nil {
		return nil, err
	}
	h, err := k.keep(parent, l, o)
	if err != nil {
		return nil, joined(err, afterwards(ctx, l, func(ctx context.Context) error {
			return k.acquirer.Release(ctx, l.Ref())
		}))
	}
	return h, nil
}

// afterwards calls release with a context that lives on after ctx, but not for
// ever.
func afterwards(ctx context.Context, l Lease, release func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime(l))
	defer cancel()
	return release(ctx)
}

// releaseTime is how long it makes sense to try to release a lease: after its
// TTL it has ended by itself.
func releaseTime(l Lease) time.Duration {
	return min(max(l.TTL, 100*time.Millisecond), 5*time.Second)
}

// joined is errors.Join without wrapping a single error, and without saying
// the same twice.
func joined(first, second error) error {
	switch {
	case first == nil:
		return second
	case second == nil || errors.Is(first, second):
		return first
	}
	return errors.Join(first, second)
}

func errNoFunction() error { return Invalid("f", "nil") }
