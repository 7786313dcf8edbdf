package backend

import (
	"context"
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/lease"
)

// TryAcquire asks once and answers at once. With QueueTTL the attempt is the
// client's, across calls: it is never withdrawn here.
func (e *engine) TryAcquire(ctx context.Context, r lease.Request) (lease.Lease, error) {
	return e.run(ctx, "try acquire", r, e.once)
}

// Acquire asks until the request is granted or must be given up. A request
// that replaces another holder's lease never waits: it is asked once.
func (e *engine) Acquire(ctx context.Context, r lease.Request) (lease.Lease, error) {
	return e.run(ctx, "acquire", r, e.inLine)
}

// run is the frame around both.
func (e *engine) run(
	ctx context.Context, op string, r lease.Request,
	how func(context.Context, *attempt) (lease.Lease, error),
) (lease.Lease, error) {
	ctx, call, err := e.enter(ctx, op)
	if err != nil {
		return lease.Lease{}, err
	}
	defer call.leave()
	a, err := e.newAttempt(op, r, op == "acquire")
	if err != nil {
		return lease.Lease{}, err
	}
	var l lease.Lease
	told := false
	defer func() {
		if !told {
			e.disown(a, l) //nolint:contextcheck // ctx must not end it
		}
		if e.conclude(a, refused) { // on behalf of others, who gave up before
			e.takeBack(ctx, a.withdrawal(lease.EndCancelled)) //nolint:contextcheck // ctx must not end it
		}
	}()
	l, err = how(ctx, a)
	e.concluded(ctx, a, l, err)
	told = true
	return l, err
}

// once asks one time.
func (e *engine) once(ctx context.Context, a *attempt) (lease.Lease, error) {
	reply, err := e.ask(ctx, a)
	if err != nil {
		return e.abandon(ctx, a, err)
	}
	return e.resultOf(ctx, a, reply)
}

// inLine asks until there is an outcome other than a place in line.
func (e *engine) inLine(ctx context.Context, a *attempt) (lease.Lease, error) {
	if !a.waits {
		return e.once(ctx, a)
	}
	// The subscription comes first: a hint that is sent between the answer and
	// the wait is then not missed.
	hint, stop := e.store.Subscribe(a.request.ID)
	defer stop()
	w := waiting{hint: hint, poll: firstPoll}
	for {
		reply, err := e.ask(ctx, a)
		switch {
		case err == nil && reply.Outcome != Queued:
			return e.resultOf(ctx, a, reply)
		case err == nil:
			first := a.queued == nil
			a.keep(reply)
			if first {
				e.joined(ctx, a, a.queued)
			}
		case a.queued != nil && transient(err):
			a.trouble = err
		case transient(err) && ctx.Err() == nil && a.timedOut():
			a.trouble = err
			return e.abandon(ctx, a, a.gaveUp(a.timeoutError()))
		default:
			return e.abandon(ctx, a, err)
		}
		why, err := e.rest(ctx, a, &w)
		if err != nil && a.trouble == nil && !a.full && errors.Is(err, lease.ErrTimeout) {
			return e.lastAsk(ctx, a)
		}
		if err != nil {
			return e.abandon(ctx, a, err)
		}
		if e.observer.Woken != nil {
			e.observer.Woken(ctx, a.request.ID, why)
		}
	}
}

// lastAsk ends a wait whose Timeout has run out: it asks once more, for who is in
// the way by now.
func (e *engine) lastAsk(ctx context.Context, a *attempt) (lease.Lease, error) {
	a.wants = true
	reply, err := e.ask(ctx, a)
	switch {
	case err != nil:
		a.trouble = err
	case reply.Outcome != Queued:
		return e.resultOf(ctx, a, reply)
	default:
		a.keep(reply)
	}
	return e.abandon(ctx, a, a.gaveUp(a.timeoutError()))
}

// resultOf turns a reply into the call's result.
func (e *engine) resultOf(ctx context.Context, a *attempt, reply AcquireReply) (lease.Lease, error) {
	r := a.request
	switch reply.Outcome {
	case Done:
		return e.granted(ctx, a, reply)
	case Queued, Refused:
		return lease.Lease{}, a.conflict(&reply, nil)
	case Deadlocked:
		return lease.Lease{}, a.conflict(&reply, lease.ErrDeadlock)
	case OverQuota:
		return lease.Lease{}, &lease.QuotaError{Holder: r.Holder, Limit: a.config.MaxLeasesPerHolder}
	case Mismatch:
		return lease.Lease{}, lease.Invalid("id", "%q names another request", r.ID)
	case BadParent:
		return lease.Lease{}, lease.Invalid("parent", "%s", reply.Problem)
	case Gone:
		ref := lease.Ref{ID: r.ID, Holder: r.Holder}
		switch {
		case r.Replace != (lease.Ref{}):
			ref = r.Replace
		case r.Parent != (lease.Ref{}):
			ref = r.Parent
		}
		return lease.Lease{}, e.lost(ctx, a.op, ref, reply.End)
	case Withdrawn:
		// Not granted for certain, and no live attempt is ever withdrawn: asking
		// anew is the answer.
		return lease.Lease{}, unexpected(a.op, "an attempt was withdrawn by nobody")
	}
	return e.abandon(ctx, a, unexpected(a.op, fmt.Sprintf("outcome %d", reply.Outcome)))
}

// granted returns the lease, or gives it back if the caller is no longer there
// to take it. One that replaced a lease is never given back, and neither is one
// that the client asks for across calls.
func (e *engine) granted(ctx context.Context, a *attempt, reply AcquireReply) (lease.Lease, error) {
	if reply.Lease.Replaced == "" && a.request.QueueTTL == 0 {
		switch {
		case ctx.Err() != nil:
			return e.abandon(ctx, a, endedError(ctx, a.op))
		case e.closed():
			return e.abandon(ctx, a, closedError(a.op))
		}
	}
	e.conclude(a, granted)
	return reply.Lease.Measured(a.asked, reply.Remaining), nil
}
