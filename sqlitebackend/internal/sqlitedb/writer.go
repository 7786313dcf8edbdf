package sqlitedb

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/lease"
)

// Writer makes every change to the database. Operations that arrive together
// share one transaction (package groupcommit).
//
// What it keeps, besides what a [groupcommit.Queue] does:
//
//  1. No caller's context reaches a statement.
//  2. Only who has the queue's turn uses the connection.
//  3. A connection that may be inside a transaction is never used again (in
//     memory, where it is the database, it is kept).
//
// Who leads a batch takes the file lock, begins the transaction, and only then
// takes operations from the queue; commits; gives up the lock; answers.
//
// A SAVEPOINT for each operation, instead of the replay one by one when one of
// them fails, costs every batch something, does not survive a full disk, and
// does not bring back what the hooks keep in memory.
type Writer struct {
	db    *Database
	hooks Hooks
	queue *groupcommit.Queue[*Batch]

	// Used by who has the queue's turn.
	session  *Session        // nil until needed, and after a failure
	versions map[any]version // by Session.identity, when last asked

	identified bool  // -wal is known, which is the session's for as long as it lives
	committed  bool  // so was the session's last transaction
	others     int64 // PRAGMA data_version in that

	// What batches use again, one after the other.
	room  fileStatus // for Database.check
	batch Batch
	calls []*groupcommit.Call[*Batch]
}

// version tells whether anything was committed since: by other connections, and,
// on one that is borrowed, by this one, since other handles may borrow it too.
type version struct{ others, own int64 }

// Operation changes the database by means of the batch. It may be run again
// after a rollback. A refusal is no error of the operation.
type Operation = groupcommit.Operation[*Batch]

// Hooks run once in every transaction: Begin first, Finish last before COMMIT.
// They share state with the operations through Batch.State. An error of either
// fails the batch as one of an operation does; Begin runs before any operation
// is taken from the queue. Nil hooks are left out.
type Hooks struct {
	Begin, Finish Operation
}

// Batch is one transaction, as operations see it. It is of no use after the
// operation has returned.
type Batch struct {
	*Session
	State any  // of the hooks; nil when Begin runs
	Alone bool // it is certain that nobody has committed since the batch before, which was committed

	calls *groupcommit.Batch[*Batch]
	began int // how many operations have been started
}

// maxBatch bounds a transaction, and so how long other processes wait and how
// much runs again if an operation fails. Larger ones are no faster.
const maxBatch = 128

// Ahead returns the subjects of the operations that are queued for the rest of
// this batch. Some of them may leave before they start.
func (b *Batch) Ahead() []lease.ID {
	if b.calls == nil {
		return nil
	}
	return b.calls.Subjects(maxBatch - b.began)
}

// NewWriter returns the writer of a database. There may be several.
func NewWriter(db *Database, hooks Hooks) *Writer {
	w := &Writer{db: db, hooks: hooks, versions: make(map[any]version)}
	w.queue = groupcommit.New(w.transact, func(err error) bool { return errors.Is(err, lease.ErrUnavailable) })
	return w
}

// Call is an operation with what the batch may know of it beforehand.
type Call struct {
	Subject lease.ID // the record that it begins by asking for, for Batch.Ahead; "" if none
	Urgency groupcommit.Urgency
}

// Do runs the operation in a transaction that it may share with others and
// returns when the outcome is known. Errors are the operation's own, ctx's if
// the operation was not started, [lease.ErrClosed] likewise, or
// [lease.ErrUnavailable] with the cause if the disk or the file fails; only
// then may the operation have been committed all the same.
func (w *Writer) Do(ctx context.Context, c Call, op Operation) error {
	return w.queue.Do(ctx, groupcommit.Options{Subject: c.Subject, Urgency: c.Urgency}, op)
}

// Read reads on the writer's connection, outside of a transaction, while no batch
// runs.
func (w *Writer) Read(ctx context.Context, read func(*Session) error) error {
	return w.queue.Exclusive(ctx, func() error {
		if err := w.open(ctx); err != nil {
			return Unavailable("connect", err)
		}
		err := retryBusy(ctx, func() error { return read(w.session) })
		w.release(isSystemic(err) && !isBusy(err))
		return err
	})
}

// Queue is where the operations wait: for tests that arrange who shares a batch.
func (w *Writer) Queue() *groupcommit.Queue[*Batch] { return w.queue }

// Statements returns the texts that are prepared on its connection: for tests.
func (w *Writer) Statements() (texts []string) {
	_ = w.queue.Exclusive(context.Background(), func() error {
		if w.session != nil {
			texts = slices.Collect(maps.Keys(w.session.statements))
		}
		return nil
	})
	return texts
}

// Close refuses new operations, answers those that have not started with
// [lease.ErrClosed], waits for the batch that runs and gives up the connection.
// Calling it again does nothing.
func (w *Writer) Close() error {
	return w.queue.Close(func() error {
		if w.session != nil {
			w.session.close()
			w.db.giveBack(w.session.connection, false)
			w.session = nil
		}
		return nil
	})
}

// Changed reports whether a connection other than the writer's, in this or in
// another process, has committed since it was last called; once too often
// rather than once too few. PRAGMA data_version is asked on the writer's own
// connection because only there its own commits do not count; on a borrowed one
// they do, as those of other handles. It costs some microseconds and waits for a
// batch that runs.
func (w *Writer) Changed(ctx context.Context) (changed bool, err error) {
	err = w.queue.Exclusive(ctx, func() error {
		changed, err = w.dataChanged(ctx)
		return err
	})
	return changed, err
}

func (w *Writer) dataChanged(ctx context.Context) (bool, error) {
	if err := w.open(ctx); err != nil {
		return false, Unavailable("connect", err)
	}
	var now version
	_, err := w.session.Get("PRAGMA data_version", nil, &now.others)
	if err == nil && w.db.borrow {
		_, err = w.session.Get("SELECT total_changes()", nil, &now.own)
	}
	if err != nil {
		w.release(!isBusy(err))
		return false, Unavailable("poll", err)
	}
	seen, known := w.versions[w.session.identity]
	if len(w.versions) > fewestToDedicate { // of borrowed connections long closed
		clear(w.versions)
	}
	w.versions[w.session.identity] = now
	w.release(false)
	return !known || seen != now, nil
}
