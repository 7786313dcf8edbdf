package backend

import (
	"context"
	"errors"
	"sync"
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
	// maxWithdrawals is how many attempts an engine takes back at the same time.
	// The others queue: an outage that leaves thousands of them behind is not to
	// end in thousands of calls a second.
	maxWithdrawals = 16
)

// abandon gives up an attempt: it takes back what the store may have kept or
// granted, and returns err. If the attempt was granted and the grant stands,
// since it replaced a lease, that is the result.
func (e *engine) abandon(ctx context.Context, a *attempt, err error) (lease.Lease, error) {
	if !a.sent || a.request.QueueTTL > 0 {
		return lease.Lease{}, err
	}
	if !e.conclude(a, abandoned) {
		return lease.Lease{}, err // another call asks for the same
	}
	why := lease.EndCancelled
	if errors.Is(err, lease.ErrTimeout) {
		why = lease.EndTimeout
	}
	done := e.takeBack(ctx, a.withdrawal(why)) //nolint:contextcheck // ctx must not end it

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

// withdrawals are the attempts that are still to be taken back. Up to
// maxWithdrawals goroutines try them, in turn; they end when there are no more.
type withdrawals struct {
	mu      sync.Mutex
	queue   []withdrawal
	workers int
	failing bool // so did the last try
}

// withdrawal is an attempt to be taken back.
type withdrawal struct {
	args   WithdrawArgs
	values context.Context // the call's, for the observer; its end does not matter
	until  time.Time       // when the store would have forgotten it
	done   chan<- tried    // takes the outcome of the first try
}

// tried is how a try to withdraw ended.
type tried struct {
	reply WithdrawReply
	asked time.Duration // the start of the try, by lease.Clock
	err   error
}

// takeBack has an attempt withdrawn in the background. The channel tells how the
// first try ended. If other withdrawals fail at present it tells a failure at
// once: waiting would be for nothing.
func (e *engine) takeBack(ctx context.Context, args WithdrawArgs) <-chan tried {
	done := make(chan tried, 1)
	w := withdrawal{args: args, values: context.WithoutCancel(ctx), until: time.Now().Add(lease.MinEndedRetention), done: done}
	q := &e.withdrawals
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.workers == maxWithdrawals {
		q.queue = append(q.queue, w)
		if q.failing {
			done <- tried{err: lease.ErrUnavailable}
		}
		return done
	}
	q.workers++
	e.background(func() { e.withdrawAll(w) })
	return done
}

// withdrawAll tries to withdraw this attempt, and then those in the queue until
// there is none. What fails goes back to the end of the queue.
func (e *engine) withdrawAll(w withdrawal) {
	q := &e.withdrawals
	var pauses backoff
	for more := true; more; {
		again := e.withdraw(w)
		q.mu.Lock()
		if q.failing = again; again {
			q.queue = append(q.queue, w)
		}
		q.mu.Unlock()
		if again {
			pause(e.closing, pauses.next())
		} else {
			pauses = backoff{}
		}
		q.mu.Lock()
		if more = len(q.queue) > 0; more {
			w, q.queue = q.queue[0], q.queue[1:]
		} else {
			q.workers--
		}
		q.mu.Unlock()
	}
}

// withdraw tries once, and reports whether to try again: until it succeeds, for
// as long as the store would remember it; what it does not reach ends by its own
// TTL. After Close has begun there is one last try.
func (e *engine) withdraw(w withdrawal) (again bool) {
	const op = "withdraw"
	final, last := e.closed(), e.last
	if e.overdue.Load() { // the store is still open, for what has not returned
		last = context.Background()
	}
	ctx, cancel := context.WithTimeout(valued{alone(last), w.values}, withdrawTry)
	defer cancel()
	t := tried{asked: lease.Clock(), err: ctx.Err()}
	if t.err == nil {
		t.reply, t.err = e.store.Withdraw(ctx, w.args)
		e.called(ctx, op, t.asked, t.err)
	}
	err := t.err
	if err != nil {
		err = storeError(ctx, op, err)
	}
	again = transient(err) && !final && time.Now().Before(w.until)
	if !again {
		e.withdrawn(ctx, w.args, err)
	}
	select {
	case w.done <- t:
	default:
	}
	return again
}

func (e *engine) withdrawn(ctx context.Context, args WithdrawArgs, err error) {
	if e.observer.Withdrawn != nil {
		defer forgive(ctx)
		e.observer.Withdrawn(ctx, args, err)
	}
}
