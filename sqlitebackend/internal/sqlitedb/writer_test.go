package sqlitedb

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// quick are the options of tests that do not turn the power off.
var quick = Options{Normal: true}

// mustWriter starts a writer that is closed with the test.
func mustWriter(t testing.TB, d *Database, h Hooks) *Writer {
	t.Helper()
	w := NewWriter(d, h)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

// newCounters opens a new file with a table of counters.
func newCounters(t testing.TB, h Hooks) (*Database, *Writer) {
	t.Helper()
	d := mustOpen(t, newPath(t), quick)
	w := mustWriter(t, d, h)
	require.NoError(t, w.Do(context.Background(), Call{}, createCounters))
	return d, w
}

func createCounters(b *Batch) error {
	return b.Exec("CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID")
}

func increment(name string) Operation {
	return func(b *Batch) error {
		return b.Exec("INSERT INTO counters VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1", name)
	}
}

// value reads a counter outside of the writer; 0 if there is none.
func value(t testing.TB, d *Database, name string) int {
	t.Helper()
	var n int
	require.NoError(t, d.reader.NewRaw("SELECT coalesce(max(value), 0) FROM counters WHERE name = ?", name).
		Scan(context.Background(), &n))
	return n
}

// together queues the operations while nobody can lead, so that they share a
// batch (up to its limit) in this order, and returns their errors.
func together(t testing.TB, w *Writer, operations ...Operation) []error {
	t.Helper()
	calls := make([]func() error, len(operations))
	for i, op := range operations {
		calls[i] = func() error { return w.Do(context.Background(), Call{}, op) }
	}
	return callTogether(t, w, calls...)
}

// callTogether is together for functions that queue one Operation each.
func callTogether(t testing.TB, w *Writer, calls ...func() error) []error {
	t.Helper()
	release := holdTurn(t, w)
	results := make([]error, len(calls))
	var running sync.WaitGroup
	for i, call := range calls {
		running.Go(func() { results[i] = call() })
		waitQueued(w, i+1)
	}
	release()
	running.Wait()
	return results
}

// holdTurn keeps batches from running until release is called.
func holdTurn(t testing.TB, w *Writer) (release func()) {
	t.Helper()
	held, let := make(chan struct{}), make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- w.queue.Exclusive(context.Background(), func() error { close(held); <-let; return nil })
	}()
	<-held
	return func() {
		close(let)
		require.NoError(t, <-result)
	}
}

// waitQueued returns when n calls are queued.
func waitQueued(w *Writer, n int) {
	for w.queue.Len() != n {
		runtime.Gosched()
	}
}

func noErrors(t testing.TB, results []error) {
	t.Helper()
	for _, err := range results {
		require.NoError(t, err)
	}
}

func TestWriterSharesTransactions(t *testing.T) {
	for _, c := range []struct{ operations, transactions int }{{1, 1}, {50, 1}, {maxBatch, 1}, {2*maxBatch + 1, 3}} {
		var begun, finished int
		d, w := newCounters(t, Hooks{
			Begin:  func(*Batch) error { begun++; return nil },
			Finish: func(*Batch) error { finished++; return nil },
		})
		begun, finished = 0, 0
		operations := make([]Operation, c.operations)
		for i := range operations {
			operations[i] = increment("a")
		}
		noErrors(t, together(t, w, operations...))
		require.Equal(t, c.transactions, begun)
		require.Equal(t, c.transactions, finished)
		require.Equal(t, c.operations, value(t, d, "a"))
	}
}

var errOwn = errors.New("the operation's own")

// thenFail writes and then fails.
func thenFail(err error) Operation {
	return func(b *Batch) error { return errors.Join(increment("failed")(b), err) }
}

func TestWriterFailureLeavesNeighboursAlone(t *testing.T) {
	for name, bad := range map[string]Operation{
		"an error":     thenFail(errOwn),
		"a panic":      func(b *Batch) error { _ = increment("failed")(b); panic(errOwn.Error()) },
		"a constraint": func(b *Batch) error { return b.Exec("INSERT INTO counters VALUES ('failed', NULL)") },
		"a bad query":  func(b *Batch) error { _ = increment("failed")(b); return b.Exec("SELECT nonsense") },
	} {
		t.Run(name, func(t *testing.T) {
			d, w := newCounters(t, Hooks{})
			results := together(t, w, increment("a"), increment("b"), bad, increment("a"), bad, increment("c"))
			for i, err := range results {
				if i == 2 || i == 4 {
					require.Error(t, err)
					require.NotErrorIs(t, err, lease.ErrUnavailable)
					continue
				}
				require.NoError(t, err)
			}
			require.Equal(t, 2, value(t, d, "a"))
			require.Equal(t, 1, value(t, d, "b"))
			require.Equal(t, 1, value(t, d, "c"))
			require.Zero(t, value(t, d, "failed"))
			require.Error(t, w.Do(t.Context(), Call{}, bad), "alone, too")
			require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))
		})
	}
}

// violateAtCommit breaks a constraint that is checked by COMMIT only.
func violateAtCommit(b *Batch) error {
	for _, query := range []string{
		"PRAGMA defer_foreign_keys = 1", // for this transaction
		"CREATE TABLE IF NOT EXISTS child (parent REFERENCES counters (name) DEFERRABLE INITIALLY DEFERRED)",
		"INSERT INTO counters VALUES ('failed', 1)",
		"INSERT INTO child VALUES ('nobody')",
	} {
		if err := b.Exec(query); err != nil {
			return err
		}
	}
	return nil
}

func TestWriterConstraintCheckedByCommit(t *testing.T) {
	d := mustOpen(t, newPath(t), quick)
	d.pragmas = append(d.pragmas, "PRAGMA foreign_keys = 1")
	w := mustWriter(t, d, Hooks{})
	require.NoError(t, w.Do(t.Context(), Call{}, createCounters))
	results := together(t, w, increment("a"), violateAtCommit, increment("b"))
	require.NoError(t, results[0])
	require.ErrorContains(t, results[1], "FOREIGN KEY")
	require.NotErrorIs(t, results[1], lease.ErrUnavailable)
	require.NoError(t, results[2])
	require.Zero(t, value(t, d, "failed"))
}

func TestWriterPanicNamesItsPlace(t *testing.T) {
	_, w := newCounters(t, Hooks{})
	err := w.Do(t.Context(), Call{}, func(*Batch) error { panic("with this") })
	var panicked *panicError
	require.ErrorAs(t, err, &panicked)
	require.ErrorContains(t, err, "with this")
	require.ErrorContains(t, err, "writer_test.go")
}

func TestWriterHooks(t *testing.T) {
	// As a store does: read once, count in memory, write once.
	var writes int
	h := Hooks{
		Begin: func(b *Batch) error {
			n := 0
			b.State = &n
			_, err := b.Get("SELECT value FROM counters WHERE name = 'n'", nil, &n)
			if err != nil { // the table is not there yet
				b.State = nil
			}
			return nil
		},
		Finish: func(b *Batch) error {
			n, ok := b.State.(*int)
			if !ok {
				return nil
			}
			writes++
			return b.Exec("INSERT INTO counters VALUES ('n', ?) ON CONFLICT DO UPDATE SET value = excluded.value", *n)
		},
	}
	count := func(b *Batch) error { *b.State.(*int)++; return nil }
	d, w := newCounters(t, h)
	writes = 0
	noErrors(t, together(t, w, count, count, count))
	require.Equal(t, 1, writes)
	require.Equal(t, 3, value(t, d, "n"))

	// What a failed Operation counted in memory is forgotten with it.
	countThenFail := func(b *Batch) error { _ = count(b); return errOwn }
	results := together(t, w, count, countThenFail, count)
	require.ErrorIs(t, results[1], errOwn)
	require.Equal(t, 5, value(t, d, "n"))
}

func TestWriterHookErrors(t *testing.T) {
	var failBegin, failFinish bool
	d, w := newCounters(t, Hooks{
		Begin:  func(*Batch) error { return map[bool]error{true: errOwn}[failBegin] },
		Finish: func(*Batch) error { return map[bool]error{true: errOwn}[failFinish] },
	})
	failBegin = true
	for _, err := range together(t, w, increment("a"), increment("a")) {
		require.ErrorIs(t, err, errOwn)
	}
	failBegin, failFinish = false, true
	for _, err := range together(t, w, increment("a"), increment("a")) {
		require.ErrorIs(t, err, errOwn)
	}
	failFinish = false
	require.Zero(t, value(t, d, "a"))
	require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))
}

func TestWriterReads(t *testing.T) {
	_, w := newCounters(t, Hooks{})
	noErrors(t, together(t, w, increment("a"), increment("b")))
	var names []string
	var found, missing bool
	require.NoError(t, w.Do(t.Context(), Call{}, func(b *Batch) (err error) {
		names = nil
		if missing, err = b.Get("SELECT value FROM counters WHERE name = ?", []any{"z"}, new(int)); err != nil {
			return err
		}
		if found, err = b.Get("SELECT value FROM counters WHERE name = ?", []any{"a"}, new(int)); err != nil {
			return err
		}
		return b.Each("SELECT name FROM counters WHERE value < ? ORDER BY name", []any{9}, func(scan func(...any) error) error {
			names = append(names, "")
			return scan(&names[len(names)-1])
		})
	}))
	require.Equal(t, []string{"a", "b"}, names)
	require.True(t, found)
	require.False(t, missing)
	// Rows that are left in the middle do not block the commit.
	require.ErrorIs(t, w.Do(t.Context(), Call{}, func(b *Batch) error {
		return b.Each("SELECT name FROM counters", nil, func(func(...any) error) error { return errOwn })
	}), errOwn)
	require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))
}
