package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// releaseBound is how long Release tries to reach the store.
const releaseBound = 5 * time.Second

// Renew asks the store once. It is not repeated on an error: the caller knows
// for how long that is worth while. A repeated call of the engine's own (after
// a change of configuration) does not count twice.
func (e *engine) Renew(ctx context.Context, ref lease.Ref, ttl time.Duration) (lease.Lease, error) {
	const op = "renew"
	ctx, call, err := e.enter(ctx, op)
	if err != nil {
		return lease.Lease{}, err
	}
	defer call.leave()
	if err := checkFullRef(ref); err != nil {
		return lease.Lease{}, err
	}
	ttl, err = checkTTL(ttl)
	if err != nil {
		return lease.Lease{}, err
	}
	start := time.Now()
	l, err := e.renew(ctx, op, RenewArgs{Ref: ref, TTL: ttl})
	e.concludedRenewal(ctx, ref, l, start, err)
	return l, err
}

// SetLabels asks the store once, as Renew does.
func (e *engine) SetLabels(ctx context.Context, ref lease.Ref, labels map[string]string) (lease.Lease, error) {
	const op = "set labels"
	ctx, call, err := e.enter(ctx, op)
	if err != nil {
		return lease.Lease{}, err
	}
	defer call.leave()
	if err := checkFullRef(ref); err != nil {
		return lease.Lease{}, err
	}
	if labels, err = cleanLabels(labels); err != nil {
		return lease.Lease{}, err
	}
	return e.renew(ctx, op, RenewArgs{Ref: ref, Relabel: true, Labels: labels})
}

// renew asks the store, and again while the configuration has changed, or while
// another call was faster.
func (e *engine) renew(ctx context.Context, op string, args RenewArgs) (lease.Lease, error) {
	above := ""
	for {
		c, err := e.config(ctx, op)
		if err != nil {
			return lease.Lease{}, err
		}
		if ttl := args.TTL; ttl > c.TTLCap() {
			if current, err := e.current(ctx, op, c); err != nil {
				return lease.Lease{}, err
			} else if current {
				return lease.Lease{}, lease.Invalid("ttl", "%v, more than max_ttl %v", ttl, c.TTLCap())
			}
			continue
		}
		if args.Op == "" {
			args.Op = e.ops.next(e.clock.now(), above)
		}
		args.MaxTTL, args.ConfigVersion = c.TTLCap(), c.Version
		asked := lease.Clock()
		reply, err := e.store.Renew(ctx, args)
		e.called(ctx, "renew", asked, err)
		if err != nil {
			return lease.Lease{}, storeError(ctx, op, err)
		}
		e.clock.learn(reply.Now)
		switch reply.Outcome {
		case Stale:
			if err := e.stale(op, c, reply.Config); err != nil {
				return lease.Lease{}, err
			}
		case Overtaken:
			if reply.Op < args.Op {
				return lease.Lease{}, unexpected(op, "overtaken by what was earlier")
			}
			args.Op, above = "", reply.Op
		default:
			return e.renewed(ctx, op, args, asked, reply)
		}
		if ctx.Err() != nil {
			return lease.Lease{}, endedError(ctx, op)
		}
	}
}

// renewed turns a reply into Renew's result.
func (e *engine) renewed(ctx context.Context, op string, args RenewArgs, asked time.Duration, reply RenewReply) (lease.Lease, error) {
	switch reply.Outcome {
	case Done:
		return reply.Lease.Measured(asked, reply.Remaining), nil
	case Gone:
		return lease.Lease{}, e.lost(ctx, op, args.Ref, reply.End)
	case LimitHit:
		return lease.Lease{}, fmt.Errorf("lease: %s %q for %s: %w", op, args.Ref.ID, args.Ref.Holder, lease.ErrRenewalLimit)
	case TooLong:
		return lease.Lease{}, lease.Invalid("ttl", "the lease's own is more than max_ttl %v; renew with a shorter one", args.MaxTTL)
	}
	return lease.Lease{}, unexpected(op, fmt.Sprintf("outcome %d", reply.Outcome))
}

// Release reaches for the store for up to 5 s, or until Close has waited for
// long enough, whatever becomes of ctx: a cancelled parent must not leave its
// lease behind. Only a deadline of ctx that
// lies ahead makes it return earlier, with an error, while the work goes on in
// the background.
func (e *engine) Release(ctx context.Context, ref lease.Ref) error {
	const op = "release"
	if ctx == nil {
		return errNoContext()
	}
	if !e.inflight.join() {
		return closedError(op)
	}
	defer e.inflight.leave()
	if err := checkRef(ref); err != nil {
		return err
	}
	start := time.Now()
	err := e.releaseBy(ctx, ReleaseArgs{Ref: ref}, start.Add(releaseBound))
	e.concludedRelease(ctx, ref, start, err)
	return err
}

// releaseBy reaches for the store until the given time.
func (e *engine) releaseBy(ctx context.Context, args ReleaseArgs, until time.Time) error {
	const op = "release"
	first := until
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && deadline.Before(until) {
		first = deadline
	}
	bounded := &lazyContext{values: ctx, end: e.last, until: first}
	defer bounded.stop()
	reply, err := e.release(bounded, args)
	switch {
	case err == nil && reply.Outcome == Gone:
		return e.lost(ctx, op, args.Ref, reply.End)
	case err == nil && reply.Outcome == Done:
		return nil
	case err == nil:
		return unexpected(op, fmt.Sprintf("outcome %d", reply.Outcome))
	}
	if err = storeError(ctx, op, err); transient(err) && first.Before(until) {
		e.background(func() { //nolint:contextcheck // ctx must not end it
			rest, cancel := context.WithDeadline(alone(e.last), until)
			defer cancel()
			_, _ = e.release(rest, args) // nobody is there to be told; it ends by its TTL
		})
	}
	return err
}

// release asks until there is an answer, for as long as ctx lives. Repeating is
// safe: what this Ref released before is Done.
func (e *engine) release(ctx context.Context, args ReleaseArgs) (ReleaseReply, error) {
	const op = "release"
	var pauses backoff
	for {
		start := lease.Clock()
		reply, err := e.store.Release(ctx, args)
		e.called(ctx, op, start, err)
		if err == nil {
			return reply, nil
		}
		if err = storeError(ctx, op, err); !transient(err) {
			return reply, err
		}
		if !pause(ctx, pauses.next()) {
			return reply, storeError(ctx, op, err)
		}
	}
}
