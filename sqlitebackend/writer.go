package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
//  5. A connection that may be inside a transaction is never used again.
//
// How: there is no goroutine of the writer's own. A caller queues its
// operation and then waits for whichever comes first: its answer, or the turn.
// Who gets the turn leads one batch: it passes the gate (see gate), begins
// the transaction, and only then takes operations from the queue, until that is
// empty or the batch is full; commits; leaves the gate; answers. There is no
// delay to let a batch fill: while one commits, the next one gathers.
//
// Measured (BenchmarkWriter, docs of the benchmark): a goroutine fed by a
// channel was not faster with many callers and slower with one, for the two
// switches it costs; a timer that waits for more operations ruins the latency
// of few callers; a SAVEPOINT for each operation instead of the replay costs
// every batch, and does not bring back what the hooks keep in memory.
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
}

// maxBatch bounds a transaction, and so how long other processes wait and how
// much runs again if an operation fails. Larger ones are no faster.
const maxBatch = 128

// call is an operation in the queue.
type call struct {
	operation operation
	err       error         // set before done is closed
	done      chan struct{} // closed when the outcome is known
}

// panicError is the panic of an operation, turned into its caller's error.
type panicError struct {
	value any
	stack []byte
}

// Error shows the panic's value and where it happened.
func (e *panicError) Error() string {
	return fmt.Sprintf("sqlitebackend: operation panicked: %v\n%s", e.value, e.stack)
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
func (w *writer) do(ctx context.Context, op operation) error {
	c := &call{operation: op, done: make(chan struct{})}
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
			<-w.turn
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

// lead runs one batch of what is queued and answers its callers. The caller
// has the turn.
func (w *writer) lead(ctx context.Context, own *call) {
	select {
	case <-own.done: // answered just before the turn came
		return
	default:
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.closing, cancel)()

	calls, err := w.transact(ctx, w.next)
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
		})
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

// transact runs the calls that next yields in one transaction and returns
// those that it started. It waits for the connection, the gate and SQLite's
// lock until ctx ends, and takes no call before it has all three. The outcome
// of the calls is one: nil means committed; ErrUnavailable, that it is no use
// to try again now; any other error, that one of them failed and all were
// rolled back.
func (w *writer) transact(ctx context.Context, next func() *call) (calls []*call, err error) {
	broken := true
	defer func() { w.release(broken) }()
	if err := w.open(ctx); err != nil {
		return nil, unavailable("connect", err)
	}
	if err := w.gate.enter(ctx); err != nil {
		broken = false
		return nil, err
	}
	defer w.gate.leave()
	if err := w.begin(ctx); err != nil {
		broken = !isBusy(err)
		return nil, unavailable("begin", err)
	}

	b := &batch{session: w.session}
	err = b.run(w.hooks.begin)
	for err == nil && len(calls) < maxBatch {
		c := next()
		if c == nil {
			break
		}
		calls = append(calls, c)
		err = b.run(c.operation)
	}
	if err == nil && len(calls) > 0 {
		err = b.run(w.hooks.finish)
	}
	if err != nil || len(calls) == 0 {
		broken = !w.rollback()
		if isSystemic(err) {
			err = unavailable("write", err)
		}
		return calls, err
	}
	if _, err = w.session.exec("COMMIT"); err == nil {
		broken = false
		return calls, nil
	}
	// A constraint that is checked by COMMIT is an operation's fault. Anything
	// else leaves it open what is on the disk.
	systemic := isSystemic(err)
	rolledBack := w.rollback()
	broken = systemic || !rolledBack
	if broken {
		err = unavailable("commit, outcome unknown", err)
	}
	return calls, err
}

// run calls one operation or hook.
func (b *batch) run(op operation) (err error) {
	if op == nil {
		return nil
	}
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value: value, stack: debug.Stack()}
		}
	}()
	return op(b)
}

// begin starts the transaction. A connection on which that fails, for another
// reason than the lock, is replaced once: nothing has happened yet.
func (w *writer) begin(ctx context.Context) error {
	try := func() error {
		_, err := w.session.exec("BEGIN IMMEDIATE")
		return err
	}
	err := retryBusy(ctx, try)
	if err == nil || isBusy(err) || ctx.Err() != nil || w.db.file == "" {
		return err
	}
	w.discard()
	if err := w.open(ctx); err != nil {
		return err
	}
	return retryBusy(ctx, try)
}

// rollback reports whether SQLite says that it has rolled back. It does not if
// it had done so by itself before, as after a full disk.
func (w *writer) rollback() bool {
	_, err := w.session.exec("ROLLBACK")
	return err == nil
}

// open makes sure that there is a session.
func (w *writer) open(ctx context.Context) error {
	if w.session != nil {
		return nil
	}
	connection, err := w.db.takeWriter(ctx)
	if err != nil {
		return err
	}
	session, err := newSession(connection)
	if err != nil {
		w.db.giveBack(connection, true)
		return err
	}
	w.session = session
	return nil
}

// release ends the use of the session: a broken one is discarded, a borrowed
// connection goes back.
func (w *writer) release(broken bool) {
	switch {
	case w.session == nil:
	case broken:
		w.discard()
	case w.db.borrow:
		w.session.close()
		w.db.giveBack(w.session.connection, false)
		w.session = nil
	}
}

// discard closes the session with its connection.
func (w *writer) discard() {
	delete(w.versions, w.session.identity)
	w.session.close()
	w.db.giveBack(w.session.connection, true)
	w.session = nil
}

// changed reports whether a connection other than the writer's, in this or in
// another process, has committed since it was last called; once too often
// rather than once too few. PRAGMA data_version is asked on the writer's own
// connection because only there its own commits do not count. It costs some
// microseconds and waits for a batch that runs.
func (w *writer) changed(ctx context.Context) (bool, error) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	case <-w.closing.Done():
		return false, lease.ErrClosed
	}
	defer func() { <-w.turn }()
	if w.closing.Err() != nil {
		return false, lease.ErrClosed
	}
	if err := w.open(ctx); err != nil {
		return false, unavailable("connect", err)
	}
	var version int64
	if _, err := w.session.get("PRAGMA data_version", nil, &version); err != nil {
		w.release(!isBusy(err))
		return false, unavailable("poll", err)
	}
	seen, known := w.versions[w.session.identity]
	if len(w.versions) > fewestToDedicate { // of borrowed connections long closed
		clear(w.versions)
	}
	w.versions[w.session.identity] = version
	w.release(false)
	return !known || seen != version, nil
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
