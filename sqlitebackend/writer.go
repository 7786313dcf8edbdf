package sqlitebackend

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/leasekit/leasekit/lease"
)

// writer makes every change to the database. Operations that arrive together
// share one transaction (group commit).
//
// What it keeps:
//
//  1. An operation's caller is answered after the COMMIT (or the rollback) of
//     the transaction it ran in, never before, and gets the outcome of its
//     own operation: nil means committed.
//  2. An operation that fails leaves no trace and does not touch the others
//     of its batch: the batch is rolled back and each operation runs again
//     in a transaction of its own. So an operation may run twice; it resets
//     its reply first.
//  3. No caller's context reaches a statement. A caller whose context ends
//     leaves as long as its operation has not started, and then it never
//     starts; afterwards it waits for the outcome.
//  4. Exactly one goroutine at a time, the holder of the turn, uses the
//     connection.
//  5. A connection that may be inside a transaction is never used again (in
//     memory, where it is the database, it is kept).
//
// How: there is no goroutine of the writer's own. A caller queues its
// operation and then waits for whichever comes first: its answer, or the turn.
// Who gets the turn leads one batch: it passes the gate (see gate), begins
// the transaction, and only then takes operations from the queue, until that is
// empty or the batch is full; commits; leaves the gate; answers. There is no
// delay to let a batch fill: while one commits, the next one gathers.
//
// Measured in the same run (BenchmarkWriter has the baseline): a goroutine of
// the writer's own, fed by a channel, was faster at some numbers of callers and
// slower at others, so the form without a goroutine to end was kept. A timer that waits for more
// operations ruins the latency of few callers: Go does not sleep for less than
// a millisecond. A SAVEPOINT for each operation instead of the replay costs
// every batch something, does not survive a full disk, and does not bring back
// what the hooks keep in memory.
type writer struct {
	db    *database
	gate  *gate
	hooks hooks

	// turn holds one element while somebody leads, polls or has closed the
	// writer. It guards the fields below it.
	turn     chan struct{}
	session  *session      // nil until needed, and after a failure
	versions map[any]int64 // by session.identity: data_version when last asked

	closing context.Context // ends when close is called
	stop    context.CancelFunc

	mutex  sync.Mutex // guards the fields below it; held for moments only
	queue  []*call
	closed bool
}

// operation changes the database by means of the batch. It may be run again
// after a rollback. A refusal is no error of the operation.
type operation func(*batch) error

// hooks run once in every transaction: begin first, finish last before COMMIT.
// They share state with the operations through batch.state. An error of either
// fails the batch as one of an operation does; begin runs before any operation
// is taken from the queue. Nil hooks are left out.
type hooks struct {
	begin, finish operation
}

// batch is one transaction, as operations see it. It is of no use after the
// operation has returned.
type batch struct {
	*session
	state any // of the hooks; nil when begin runs

	// ahead returns the subjects of the operations that are queued for the
	// rest of this batch. Some of them may leave before they start.
	ahead func() []lease.ID
}

// maxBatch bounds a transaction, and so how long other processes wait and how
// much runs again if an operation fails. Larger ones are no faster.
const maxBatch = 128

// call is an operation in the queue.
type call struct {
	operation operation
	subject   lease.ID      // what it asks for; "" if it is about no single one
	err       error         // set before done is closed
	done      chan struct{} // closed when the outcome is known
}

func newWriter(db *database, gate *gate, hooks hooks) *writer {
	closing, stop := context.WithCancel(context.Background())
	return &writer{
		db: db, gate: gate, hooks: hooks,
		turn: make(chan struct{}, 1), versions: make(map[any]int64),
		closing: closing, stop: stop,
	}
}

// do runs the operation in a transaction that it may share with others and
// returns when the outcome is known. Errors are the operation's own, ctx's if
// the operation was not started, [lease.ErrClosed] likewise, or
// [lease.ErrUnavailable] with the cause if the disk or the file fails; only
// then may the operation have been committed all the same.
func (w *writer) do(ctx context.Context, op operation) error { return w.doFor(ctx, "", op) }

// doFor is do for an operation that begins by asking for this record, so that
// the batch can read it together with those of others (batch.ahead).
func (w *writer) doFor(ctx context.Context, subject lease.ID, op operation) error {
	c := &call{operation: op, subject: subject, done: make(chan struct{})}
	w.mutex.Lock()
	if w.closed {
		w.mutex.Unlock()
		return lease.ErrClosed
	}
	w.queue = append(w.queue, c)
	w.mutex.Unlock()

	for {
		select {
		case <-c.done:
			return c.err
		case <-ctx.Done():
			if w.withdraw(c) {
				return ctx.Err()
			}
			<-c.done
			return c.err
		case w.turn <- struct{}{}:
			w.lead(ctx, c)
		}
	}
}

// withdraw takes the call out of the queue, and reports whether it was there:
// if not, it has been started.
func (w *writer) withdraw(c *call) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	at := slices.Index(w.queue, c)
	if at < 0 {
		return false
	}
	w.queue = slices.Delete(w.queue, at, at+1)
	return true
}

// next takes the oldest call from the queue; nil if it is empty.
func (w *writer) next() *call {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.queue) == 0 {
		return nil
	}
	c := w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
	return c
}

// subjects returns those of the first calls in the queue.
func (w *writer) subjects(most int) []lease.ID {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var ids []lease.ID
	for _, c := range w.queue[:min(most, len(w.queue))] {
		if c.subject != "" {
			ids = append(ids, c.subject)
		}
	}
	return ids
}

// lead runs one batch of what is queued, answers its callers and gives up the
// turn, which the caller has.
func (w *writer) lead(ctx context.Context, own *call) {
	defer func() { <-w.turn }()
	select {
	case <-own.done: // answered just before the turn came
		return
	default:
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.closing, cancel)()

	calls, err := w.transact(ctx, w.next, w.subjects)
	switch {
	case len(calls) == 0 && ctx.Err() != nil:
		// The leader leaves, or the writer closes. Nothing has started, and
		// somebody else takes the turn.
	case len(calls) == 0 && err != nil:
		for c := w.next(); c != nil; c = w.next() {
			c.answer(err)
		}
	case err == nil || len(calls) == 1 || errors.Is(err, lease.ErrUnavailable):
		for _, c := range calls {
			c.answer(err)
		}
	default:
		w.replay(calls)
	}
}

// replay runs each call in a transaction of its own, to find the one that
// made their batch fail.
func (w *writer) replay(calls []*call) {
	for _, c := range calls {
		left := c
		_, err := w.transact(w.closing, func() *call {
			one := left
			left = nil
			return one
		}, func(int) []lease.ID { return nil })
		if left != nil && w.closing.Err() != nil {
			err = lease.ErrClosed // its first run was rolled back
		}
		c.answer(err)
	}
}

// answer ends the call.
func (c *call) answer(err error) {
	c.err = err
	close(c.done)
}

// close refuses new operations, answers those that have not started with
// [lease.ErrClosed], waits for the batch that runs and gives up the connection
// and the gate. Calling it again does nothing.
func (w *writer) close() error {
	w.mutex.Lock()
	queued, again := w.queue, w.closed
	w.queue, w.closed = nil, true
	w.mutex.Unlock()
	if again {
		return nil
	}
	w.stop()
	for _, c := range queued {
		c.answer(lease.ErrClosed)
	}
	w.turn <- struct{}{} // and keep it
	if w.session != nil {
		w.session.close()
		w.db.giveBack(w.session.connection, false)
		w.session = nil
	}
	return w.gate.close()
}
