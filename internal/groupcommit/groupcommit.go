// Package groupcommit lets operations that arrive together share one
// transaction of a store. It knows nothing of the store: package sqlitedb shows
// its use.
package groupcommit

import (
	"context"
	"slices"
	"sync"

	"github.com/leasekit/leasekit/lease"
)

// Queue collects operations and runs them in batches, one batch at a time.
//
// What it keeps, given a [Transact] that keeps its own promise:
//
//  1. An operation's caller is answered after the end of the transaction that
//     it ran in, never before, and gets the outcome of its own operation: nil
//     means committed.
//  2. An operation that fails leaves no trace and does not touch the others
//     of its batch: the batch is rolled back and each operation runs again
//     in a transaction of its own. So an operation may run twice; it resets
//     its reply first.
//  3. A caller whose context ends leaves as long as its operation has not
//     started, and then it never starts; afterwards it waits for the outcome.
//  4. Exactly one goroutine at a time, the holder of the turn, transacts.
//
// How: there is no goroutine of the queue's own. A caller queues its operation
// and then waits for whichever comes first: its answer, or the turn. Who gets
// the turn leads one batch, which takes operations from the queue until that is
// empty or the batch is full, and answers them. There is no delay to let a
// batch fill: while one commits, the next one gathers.
//
// Measured in the same run: a goroutine of the queue's own, fed by a channel,
// was faster at some numbers of callers and slower at others, so the form
// without a goroutine to end was kept. A timer that waits for more operations
// ruins the latency of few callers: Go does not sleep for less than a
// millisecond.
type Queue[T any] struct {
	transact Transact[T]
	final    func(err error) bool

	turn    chan struct{}   // holds one element while somebody has the turn
	closing context.Context // ends when Close is called
	stop    context.CancelFunc

	batch Batch[T] // used by who has the turn

	mutex  sync.Mutex // guards the fields below it; held for moments only
	lists  [urgencies][]*Call[T]
	room   [urgencies][]*Call[T] // empty, for lists that are
	closed bool
}

// Operation changes the store by means of a transaction. It may be run again
// after a rollback. A refusal is no error of the operation.
type Operation[T any] func(tx T) error

// Transact runs the calls that next yields, until it yields nil or the batch is
// full, in one transaction and returns those that it started, in a slice that the
// next one may use again. It takes no call before it is ready to run it. The outcome of the calls is one: nil means
// committed; a final error (see [New]), that it is no use to run them again
// one by one; any other, that one of them failed and all were rolled back.
type Transact[T any] func(ctx context.Context, batch *Batch[T]) (calls []*Call[T], err error)

// Call is an operation in the queue.
type Call[T any] struct {
	Run Operation[T]
	Options

	err  error         // set before done is closed
	done chan struct{} // closed when the outcome is known
}

// New returns an empty queue. final tells errors of transact that concern all
// operations of a batch alike.
func New[T any](transact Transact[T], final func(error) bool) *Queue[T] {
	closing, stop := context.WithCancel(context.Background())
	return &Queue[T]{
		transact: transact, final: final,
		turn: make(chan struct{}, 1), closing: closing, stop: stop,
	}
}

// Options of one call.
type Options struct {
	Subject lease.ID // what it asks for; "" if it is about no single one
	Urgency Urgency

	// For a store that reads ahead more than the Subject; see Batch.Queued.
	Attempt string
	Holder  string
	Claims  []lease.Claim
}

// Urgency says which of the queued operations come first.
type Urgency int

// The urgencies, the most urgent first: what keeps or frees something, what
// keeps a place in line, and what asks for something new.
const (
	Keeps Urgency = iota
	Waits
	Asks
	urgencies
)

// Do runs the operation in a transaction that it may share with others and
// returns when the outcome is known. Errors are the operation's own, the
// transaction's, ctx's if the operation was not started, or [lease.ErrClosed]
// likewise.
func (q *Queue[T]) Do(ctx context.Context, o Options, op Operation[T]) error {
	c := &Call[T]{Run: op, Options: o, done: make(chan struct{})}
	q.mutex.Lock()
	if q.closed {
		q.mutex.Unlock()
		return lease.ErrClosed
	}
	q.push(c)
	q.mutex.Unlock()

	if ctx.Err() == nil {
		select {
		case q.turn <- struct{}{}: // nobody has it: most contexts make a channel only when they are waited for
			q.lead(ctx, c)
		default:
		}
	}
	if c.answered() {
		return c.err
	}
	for {
		select {
		case <-c.done:
			return c.err
		case <-ctx.Done():
			if q.withdraw(c) {
				return ctx.Err()
			}
			<-c.done
			return c.err
		case q.turn <- struct{}{}:
			q.lead(ctx, c)
		}
	}
}

// withdraw takes the call out of the queue, and reports whether it was there:
// if not, it has been started, or answered.
func (q *Queue[T]) withdraw(c *Call[T]) bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	list := &q.lists[c.Urgency]
	at := slices.Index(*list, c)
	if at < 0 {
		return false
	}
	*list = slices.Delete(*list, at, at+1)
	return true
}

// Exclusive calls f while no batch runs. It waits for the turn until ctx ends or
// the queue is closed.
func (q *Queue[T]) Exclusive(ctx context.Context, f func() error) error {
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-q.closing.Done():
		return lease.ErrClosed
	}
	defer func() { <-q.turn }()
	if q.closing.Err() != nil {
		return lease.ErrClosed
	}
	return f()
}

// lead runs one batch of what is queued, answers its callers and gives up the
// turn, which the caller has.
func (q *Queue[T]) lead(ctx context.Context, own *Call[T]) {
	defer func() { <-q.turn }()
	if own.answered() { // just before the turn came
		return
	}
	both := &joined{Context: ctx, closing: q.closing}
	defer both.release()
	ctx = both

	q.batch = Batch[T]{queue: q}
	batch := &q.batch
	calls, err := q.transact(ctx, batch)
	switch {
	case len(calls) == 0 && ctx.Err() != nil:
		// The leader leaves, or the queue closes. Nothing has started, and
		// somebody else takes the turn.
	case len(calls) == 0 && err != nil:
		for c := batch.Next(); c != nil; c = batch.Next() {
			c.answer(err)
		}
	case err == nil || len(calls) == 1 || q.final(err):
		for _, c := range calls {
			c.answer(err)
		}
	default:
		q.replay(calls)
	}
}

// replay runs each call in a transaction of its own, to find the one that
// made their batch fail.
func (q *Queue[T]) replay(calls []*Call[T]) {
	for _, c := range slices.Clone(calls) {
		q.batch = Batch[T]{only: c}
		batch := &q.batch
		_, err := q.transact(q.closing, batch)
		if batch.only != nil && q.closing.Err() != nil {
			err = lease.ErrClosed // its first run was rolled back
		}
		c.answer(err)
	}
}

// answered reports whether the outcome is known.
func (c *Call[T]) answered() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// answer ends the call.
func (c *Call[T]) answer(err error) {
	c.err = err
	close(c.done)
}

// Close refuses new operations, answers those that have not started with
// [lease.ErrClosed], waits for the batch that runs, and calls last, once.
// Calling it again does nothing.
func (q *Queue[T]) Close(last func() error) error {
	q.mutex.Lock()
	queued, again := slices.Concat(q.lists[:]...), q.closed
	q.lists, q.closed = [urgencies][]*Call[T]{}, true
	q.mutex.Unlock()
	if again {
		return nil
	}
	q.stop()
	for _, c := range queued {
		c.answer(lease.ErrClosed)
	}
	q.turn <- struct{}{} // and keep it
	return last()
}

// Len returns how many operations wait to be started.
func (q *Queue[T]) Len() int {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	n := 0
	for _, list := range q.lists {
		n += len(list)
	}
	return n
}

// Closing ends when Close begins.
func (q *Queue[T]) Closing() context.Context { return q.closing }
