package sqlitebackend

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/leasekit/leasekit/lease"
)

// transact runs the calls that next yields in one transaction and returns
// those that it started; subjects tells what the next ones are about. It waits for the connection, the gate and SQLite's
// lock until ctx ends, and takes no call before it has all three. The outcome
// of the calls is one: nil means committed; ErrUnavailable, that it is no use
// to try again now; any other error, that one of them failed and all were
// rolled back.
func (w *writer) transact(ctx context.Context, next func() *call, subjects func(most int) []lease.ID) (calls []*call, err error) {
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
	b.ahead = func() []lease.ID { return subjects(maxBatch - len(calls)) }
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

// panicError is the panic of an operation, turned into its caller's error.
type panicError struct {
	value any
	stack []byte
}

// Error shows the panic's value and where it happened.
func (e *panicError) Error() string {
	return fmt.Sprintf("sqlitebackend: operation panicked: %v\n%s", e.value, e.stack)
}
