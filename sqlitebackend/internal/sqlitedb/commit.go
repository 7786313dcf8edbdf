package sqlitedb

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/leasekit/leasekit/internal/groupcommit"
)

// transact implements [groupcommit.Transact]: it waits for the connection, the
// file lock and SQLite's lock until ctx ends, and takes no call before it has
// all three.
func (w *Writer) transact(ctx context.Context, queued *groupcommit.Batch[*Batch]) (calls []*groupcommit.Call[*Batch], err error) {
	broken := true
	defer func() { w.release(broken) }()
	if err := w.open(ctx); err != nil {
		return nil, Unavailable("connect", err)
	}
	if err := w.db.lock.lock(ctx); err != nil {
		broken = false
		return nil, err
	}
	defer w.db.lock.unlock()
	if err := w.db.check(&w.room); err != nil {
		broken = false
		return nil, err
	}
	if err := w.begin(ctx); err != nil {
		broken = !isBusy(err)
		return nil, Unavailable("begin", err)
	}

	alone, err := w.alone()
	if err != nil {
		broken = !w.rollback()
		return nil, Unavailable("begin", err)
	}
	b := &w.batch
	*b = Batch{Session: w.session, Alone: alone, calls: queued}
	calls = w.calls[:0]
	err = b.run(w.hooks.Begin)
	for err == nil && b.began < maxBatch {
		c := queued.Next()
		if c == nil {
			break
		}
		calls = append(calls, c)
		w.calls = calls
		b.began++
		err = b.run(c.Run)
	}
	if err == nil && len(calls) > 0 {
		err = b.run(w.hooks.Finish)
	}
	if err != nil || len(calls) == 0 {
		broken = !w.rollback()
		if isSystemic(err) {
			err = Unavailable("write", err)
		}
		return calls, err
	}
	if err = w.session.Exec("COMMIT"); err == nil {
		broken, w.committed = false, true
		// A file that was removed meanwhile has not kept it.
		return calls, w.db.check(&w.room)
	}
	// A constraint that is checked by COMMIT is an operation's fault. Anything
	// else leaves it open what is on the disk.
	systemic := isSystemic(err)
	rolledBack := w.rollback()
	broken = systemic || !rolledBack
	if broken {
		err = Unavailable("commit, outcome unknown", err)
	}
	return calls, err
}

// run calls one operation or hook.
func (b *Batch) run(op Operation) (err error) {
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
func (w *Writer) begin(ctx context.Context) error {
	try := func() error {
		return w.session.Exec("BEGIN IMMEDIATE")
	}
	err := retryBusy(ctx, try)
	if err == nil && !w.db.borrow && !w.identified {
		if err = w.db.identifyWAL(); err == nil {
			w.identified = true
		} else {
			w.rollback()
		}
		return err
	}
	if err == nil || isBusy(err) || ctx.Err() != nil || w.db.file == "" {
		return err
	}
	w.discard()
	if err := w.open(ctx); err != nil {
		return err
	}
	return retryBusy(ctx, try)
}

// alone reports, within a transaction, whether the one before it on this connection
// was committed, and no other connection has committed since.
func (w *Writer) alone() (bool, error) {
	if w.db.borrow { // others use the connection too
		return false, nil
	}
	before, committed := w.others, w.committed
	w.committed = false
	_, err := w.session.Get("PRAGMA data_version", nil, &w.others)
	return committed && w.others == before, err
}

// rollback reports whether SQLite says that it has rolled back. It does not if
// it had done so by itself before, as after a full disk.
func (w *Writer) rollback() bool {
	return w.session.Exec("ROLLBACK") == nil
}

// open makes sure that there is a session.
func (w *Writer) open(ctx context.Context) error {
	if w.session != nil {
		if w.session.alive() {
			return nil
		}
		w.discard()
	}
	connection, err := w.db.takeWriter(ctx)
	if err != nil {
		return err
	}
	session, err := newSession(connection)
	if err == nil && w.db.borrow && w.db.file != "" {
		// SQLite's own waiting does not hear of a context.
		err = session.Exec("PRAGMA busy_timeout = 0")
	}
	if err != nil {
		w.db.giveBack(connection, true)
		return err
	}
	w.session = session
	return nil
}

// release ends the use of the session: a broken one is discarded, a borrowed
// connection goes back.
func (w *Writer) release(broken bool) {
	switch {
	case w.session == nil:
	case broken:
		w.discard()
	case w.db.borrow:
		var err error
		if w.db.file != "" {
			err = w.session.Exec(w.db.patience)
		}
		w.session.close()
		w.db.giveBack(w.session.connection, err != nil)
		w.session = nil
	}
}

// discard closes the session with its connection.
func (w *Writer) discard() {
	delete(w.versions, w.session.identity)
	w.identified, w.committed = false, false
	w.session.close()
	w.db.giveBack(w.session.connection, true)
	w.session = nil
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
