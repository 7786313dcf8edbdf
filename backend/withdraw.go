package backend

import (
	"context"
	"errors"
	"time"

	"github.com/leasekit/leasekit/lease"
)

const (
	// withdrawTry bounds one call of Store.Withdraw.
	withdrawTry = 5 * time.Second
	// patience is how long a call whose context lives waits for its withdrawal,
	// so that the path is free when it returns.
	patience = time.Second
	// patienceEnded is the same after the context has ended: enough for a store
	// that works, and too short to matter for one that does not.
	patienceEnded = 25 * time.Millisecond
)

// abandon gives up an attempt: it takes back what the store may have kept or
// granted, and returns err. If the attempt was granted and the grant stands,
// since it replaced a lease, that is the result.
func (e *engine) abandon(ctx context.Context, a *attempt, err error) (lease.Lease, error) {
	if !a.sent || a.request.QueueTTL > 0 {
		return lease.Lease{}, err
	}
	args := WithdrawArgs{ID: a.request.ID, Holder: a.request.Holder, Attempt: a.name, Why: lease.EndCancelled}
	if errors.Is(err, lease.ErrTimeout) {
		args.Why = lease.EndTimeout
	}
	done := make(chan withdrawal, 1)
	e.background(func() { e.withdraw(args, done) }) //nolint:contextcheck // ctx must not end it

	wait, ended := patience, ctx.Done()
	if ctx.Err() != nil {
		wait, ended = patienceEnded, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case w := <-done:
			if w.err == nil && w.reply.Outcome == Refused {
				return w.reply.Lease.Measured(w.asked, w.reply.Remaining), nil
			}
			return lease.Lease{}, err
		case <-ended:
			ended = nil
			timer.Reset(patienceEnded)
		case <-timer.C:
			return lease.Lease{}, err
		}
	}
}

// withdrawal is how a try to withdraw ended.
type withdrawal struct {
	reply WithdrawReply
	asked time.Time // the start of the try
	err   error
}

// withdraw tries until it succeeds, for as long as the store would remember it;
// what it does not reach ends by its own TTL. After Close has begun it tries
// one last time. The outcome of the first try goes to done: whether it failed
// is all that a caller waits for.
func (e *engine) withdraw(args WithdrawArgs, done chan<- withdrawal) {
	const op = "withdraw"
	until := time.Now().Add(lease.MinEndedRetention)
	var pauses backoff
	for {
		final := e.closed()
		ctx, cancel := context.WithTimeout(e.last, withdrawTry)
		w := withdrawal{asked: time.Now()}
		w.reply, w.err = e.store.Withdraw(ctx, args)
		e.called(op, w.asked, w.err)
		cancel()
		err := w.err
		if err != nil {
			err = storeError(context.Background(), op, err)
		}
		over := !transient(err) || final || time.Now().After(until)
		if over && e.observer.Withdrawn != nil {
			e.observer.Withdrawn(args, err)
		}
		select {
		case done <- w:
		default:
		}
		if over {
			return
		}
		pause(e.closing, pauses.next())
	}
}
