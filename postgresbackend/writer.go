package postgresbackend

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/lease"
)

// Bounds of a batch: how many operations share a transaction, how often it looks
// for those that have come meanwhile, and how often it is tried.
const (
	maxBatch    = 128
	maxRounds   = 3
	maxAttempts = 4
)

type (
	call  = groupcommit.Call[*transaction]
	batch = groupcommit.Batch[*transaction]
)

// do runs f as one step, together with others that arrive meanwhile, and then
// wakes whom it has made grantable.
//
// A step that has begun goes on when ctx ends: its caller is answered at once, as
// one whose outcome is unknown.
func do[T any](ctx context.Context, s *Store, o groupcommit.Options, f func(*rules.Step) (T, error)) (T, error) {
	type outcome struct {
		reply T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		var answer outcome
		var woken []lease.ID
		answer.err = s.queue.Do(ctx, o, func(tx *transaction) error {
			tx.woken = nil
			st, err := rules.Begin(tx)
			if err != nil {
				return err
			}
			if answer.reply, err = f(st); err != nil {
				return err
			}
			woken = tx.woken
			for _, id := range woken {
				if !s.waiters.Has(id) {
					tx.notify = append(tx.notify, id)
				}
			}
			return nil
		})
		if answer.err == nil {
			s.waiters.Notify(woken...)
		}
		done <- answer
	}()
	var none T
	select {
	case answer := <-done:
		if answer.err != nil {
			return none, answer.err
		}
		return answer.reply, nil
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// transact implements [groupcommit.Transact]. Who leads a batch begins the
// transaction, locks the namespace and reads ahead in one round trip, and runs the
// operations that were queued before that: to grant one that came later by a time
// that was read earlier would end its lease too early. Then it looks for others,
// and commits in another round trip.
//
// Nothing but COMMIT makes a change, so whatever fails before is run again as a
// whole, if that may help.
func (s *Store) transact(ctx context.Context, queued *batch) (calls []*call, err error) {
	s.gather()
	defer func() { s.gathered = len(calls) }()
	for attempt := 1; ; attempt++ {
		var again bool
		calls, again, err = s.attempt(ctx, queued, calls)
		if err == nil || !again || attempt == maxAttempts {
			return calls, err
		}
		if broke(err) {
			s.dropBroken(ctx)
		}
	}
}

// gatherYields bounds how often a batch lets others run before it begins.
const gatherYields = 64

// gather lets callers that the batch before has just answered come back with
// what they do next, as most do: else a batch begins with the first of them, and
// all others cost it a round trip more. It costs no time when nobody can run.
func (s *Store) gather() {
	for i := 0; i < gatherYields && s.queue.Len() < s.gathered; i++ {
		runtime.Gosched()
	}
}

// attempt runs calls, and others that are queued, in a transaction. again says
// that nothing was committed and that another attempt may succeed.
func (s *Store) attempt(ctx context.Context, queued *batch, calls []*call) (_ []*call, again bool, err error) {
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Patience)
	defer cancel()
	waiting := ctx // a leader that has taken nothing may leave
	if len(calls) > 0 {
		waiting = patience
	}
	err = s.withConn(waiting, func(conn *pgx.Conn) error {
		tx := newTransaction(patience, conn, s)
		calls, err = tx.run(queued, calls)
		if err == nil && len(calls) > 0 {
			if err = tx.commit(); err == nil {
				return nil
			}
		}
		if !conn.IsClosed() {
			_ = tx.rollback() // one that fails closes the connection
		}
		return err
	})
	var unknown *unknownError
	switch {
	case err == nil:
		return calls, false, nil
	case errors.As(err, &unknown):
		return calls, false, unavailable("commit, outcome unknown", err)
	case mayRetry(err), isConnection(err) && patience.Err() == nil && waiting.Err() == nil, fatal(err):
		return calls, true, unavailable("transact", err)
	case isOwn(err), errors.Is(err, lease.ErrRegressed), errors.Is(err, lease.ErrUnavailable):
		return calls, false, err
	}
	return calls, false, unavailable("transact", err)
}

// run runs the calls, which an earlier attempt has taken, and others that are
// queued, and returns all of them.
func (t *transaction) run(queued *batch, calls []*call) ([]*call, error) {
	next := queued.Queued(maxBatch - len(calls))
	if len(calls)+len(next) == 0 {
		return nil, nil
	}
	if err := t.begin(append(calls[:len(calls):len(calls)], next...)); err != nil {
		return calls, err
	}
	for _, c := range calls {
		if err := t.perform(c); err != nil {
			return calls, err
		}
	}
	for round := 1; ; round++ {
		for _, c := range next {
			if !queued.Take(c) {
				continue // it has left
			}
			calls = append(calls, c)
			if err := t.perform(c); err != nil {
				return calls, err
			}
		}
		if next = queued.Queued(maxBatch - len(calls)); len(next) == 0 || round == maxRounds {
			return calls, nil
		}
		if err := t.round(next); err != nil {
			return calls, err
		}
	}
}

// perform runs one operation.
func (t *transaction) perform(c *call) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value: value, stack: debug.Stack()}
		}
	}()
	return c.Run(t)
}

// panicError is the panic of an operation, turned into its caller's error.
type panicError struct {
	value any
	stack []byte
}

// Error shows the panic's value and where it happened.
func (e *panicError) Error() string {
	return fmt.Sprintf("postgresbackend: operation panicked: %v\n%s", e.value, e.stack)
}

// withConn runs f with a connection of the pool, for which it waits until ctx
// ends.
func (s *Store) withConn(ctx context.Context, f func(*pgx.Conn) error) error {
	defer s.options.use()()
	conn, err := s.db.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var failed error
	err = conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(*stdlib.Conn)
		if !ok {
			failed = fmt.Errorf("%w: the pool's driver is not pgx's stdlib: %T", ErrUnsupported, driverConn)
			return nil
		}
		failed = f(c.Conn())
		if c.Conn().IsClosed() {
			return driver.ErrBadConn // not to be used again
		}
		return nil
	})
	if failed != nil || errors.Is(err, driver.ErrBadConn) {
		return failed
	}
	return err
}

// mostDropped bounds how many connections of the pool are tried one after the
// other.
const mostDropped = 128

// dropBroken takes those connections out of the pool that have ended as one just
// has, for instance since the server was restarted: until one is found that
// answers, or the pool can give none.
func (s *Store) dropBroken(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Patience)
	defer cancel()
	for range mostDropped {
		broken := false
		_ = s.withConn(ctx, func(conn *pgx.Conn) error {
			err := conn.Ping(ctx)
			broken = conn.IsClosed()
			return err
		})
		if !broken {
			return
		}
	}
}
