package sqlitebackend

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
var quick = Options{Synchronous: Normal}

// mustWriter starts a writer that is closed with the test.
func mustWriter(t testing.TB, d *database, h hooks) *writer {
	t.Helper()
	g, err := openGate(d.file)
	require.NoError(t, err)
	w := newWriter(d, g, h)
	t.Cleanup(func() { require.NoError(t, w.close()) })
	return w
}

// newCounters opens a new file with a table of counters.
func newCounters(t testing.TB, h hooks) (*database, *writer) {
	t.Helper()
	d := mustOpen(t, newPath(t), quick)
	w := mustWriter(t, d, h)
	require.NoError(t, w.do(context.Background(), createCounters))
	return d, w
}

func createCounters(b *batch) error {
	_, err := b.exec("CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID")
	return err
}

func increment(name string) operation {
	return func(b *batch) error {
		_, err := b.exec("INSERT INTO counters VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1", name)
		return err
	}
}

// value reads a counter outside of the writer; 0 if there is none.
func value(t testing.TB, d *database, name string) int {
	t.Helper()
	var n int
	require.NoError(t, d.reader.NewRaw("SELECT coalesce(max(value), 0) FROM counters WHERE name = ?", name).
		Scan(context.Background(), &n))
	return n
}

// together queues the operations while nobody can lead, so that they share a
// batch (up to its limit) in this order, and returns their errors.
func together(t testing.TB, w *writer, operations ...operation) []error {
	t.Helper()
	calls := make([]func() error, len(operations))
	for i, op := range operations {
		calls[i] = func() error { return w.do(context.Background(), op) }
	}
	return callTogether(t, w, calls...)
}

// callTogether is together for functions that queue one operation each.
func callTogether(t testing.TB, w *writer, calls ...func() error) []error {
	t.Helper()
	w.turn <- struct{}{}
	results := make([]error, len(calls))
	var running sync.WaitGroup
	for i, call := range calls {
		running.Go(func() { results[i] = call() })
		waitQueued(w, i+1)
	}
	<-w.turn
	running.Wait()
	return results
}

// waitQueued returns when n calls are queued.
func waitQueued(w *writer, n int) {
	for {
		w.mutex.Lock()
		queued := len(w.queue)
		w.mutex.Unlock()
		if queued == n {
			return
		}
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
		d, w := newCounters(t, hooks{
			begin:  func(*batch) error { begun++; return nil },
			finish: func(*batch) error { finished++; return nil },
		})
		begun, finished = 0, 0
		operations := make([]operation, c.operations)
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
func thenFail(err error) operation {
	return func(b *batch) error { return errors.Join(increment("failed")(b), err) }
}

func TestWriterFailureLeavesNeighboursAlone(t *testing.T) {
	for name, bad := range map[string]operation{
		"an error":     thenFail(errOwn),
		"a panic":      func(b *batch) error { _ = increment("failed")(b); panic(errOwn.Error()) },
		"a constraint": func(b *batch) error { _, err := b.exec("INSERT INTO counters VALUES ('failed', NULL)"); return err },
		"a bad query":  func(b *batch) error { _ = increment("failed")(b); _, err := b.exec("SELECT nonsense"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			d, w := newCounters(t, hooks{})
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
			require.Error(t, w.do(t.Context(), bad), "alone, too")
			require.NoError(t, w.do(t.Context(), increment("a")))
		})
	}
}

// violateAtCommit breaks a constraint that is checked by COMMIT only.
func violateAtCommit(b *batch) error {
	for _, query := range []string{
		"PRAGMA defer_foreign_keys = 1", // for this transaction
		"CREATE TABLE IF NOT EXISTS child (parent REFERENCES counters (name) DEFERRABLE INITIALLY DEFERRED)",
		"INSERT INTO counters VALUES ('failed', 1)",
		"INSERT INTO child VALUES ('nobody')",
	} {
		if _, err := b.exec(query); err != nil {
			return err
		}
	}
	return nil
}

func TestWriterConstraintCheckedByCommit(t *testing.T) {
	d := mustOpen(t, newPath(t), quick)
	d.pragmas = append(d.pragmas, "PRAGMA foreign_keys = 1")
	w := mustWriter(t, d, hooks{})
	require.NoError(t, w.do(t.Context(), createCounters))
	results := together(t, w, increment("a"), violateAtCommit, increment("b"))
	require.NoError(t, results[0])
	require.ErrorContains(t, results[1], "FOREIGN KEY")
	require.NotErrorIs(t, results[1], lease.ErrUnavailable)
	require.NoError(t, results[2])
	require.Zero(t, value(t, d, "failed"))
}

func TestWriterPanicNamesItsPlace(t *testing.T) {
	_, w := newCounters(t, hooks{})
	err := w.do(t.Context(), func(*batch) error { panic("with this") })
	var panicked *panicError
	require.ErrorAs(t, err, &panicked)
	require.ErrorContains(t, err, "with this")
	require.ErrorContains(t, err, "writer_test.go")
}

func TestWriterHooks(t *testing.T) {
	// As a store does: read once, count in memory, write once.
	var writes int
	h := hooks{
		begin: func(b *batch) error {
			n := 0
			b.state = &n
			_, err := b.get("SELECT value FROM counters WHERE name = 'n'", nil, &n)
			if err != nil { // the table is not there yet
				b.state = nil
			}
			return nil
		},
		finish: func(b *batch) error {
			n, ok := b.state.(*int)
			if !ok {
				return nil
			}
			writes++
			_, err := b.exec("INSERT INTO counters VALUES ('n', ?) ON CONFLICT DO UPDATE SET value = excluded.value", *n)
			return err
		},
	}
	count := func(b *batch) error { *b.state.(*int)++; return nil }
	d, w := newCounters(t, h)
	writes = 0
	noErrors(t, together(t, w, count, count, count))
	require.Equal(t, 1, writes)
	require.Equal(t, 3, value(t, d, "n"))

	// What a failed operation counted in memory is forgotten with it.
	countThenFail := func(b *batch) error { _ = count(b); return errOwn }
	results := together(t, w, count, countThenFail, count)
	require.ErrorIs(t, results[1], errOwn)
	require.Equal(t, 5, value(t, d, "n"))
}

func TestWriterHookErrors(t *testing.T) {
	var failBegin, failFinish bool
	d, w := newCounters(t, hooks{
		begin:  func(*batch) error { return map[bool]error{true: errOwn}[failBegin] },
		finish: func(*batch) error { return map[bool]error{true: errOwn}[failFinish] },
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
	require.NoError(t, w.do(t.Context(), increment("a")))
}

func TestWriterReads(t *testing.T) {
	_, w := newCounters(t, hooks{})
	noErrors(t, together(t, w, increment("a"), increment("b")))
	var names []string
	var found, missing bool
	require.NoError(t, w.do(t.Context(), func(b *batch) (err error) {
		names = nil
		if missing, err = b.get("SELECT value FROM counters WHERE name = ?", []any{"z"}, new(int)); err != nil {
			return err
		}
		if found, err = b.get("SELECT value FROM counters WHERE name = ?", []any{"a"}, new(int)); err != nil {
			return err
		}
		return b.each("SELECT name FROM counters WHERE value < ? ORDER BY name", []any{9}, func(scan func(...any) error) error {
			names = append(names, "")
			return scan(&names[len(names)-1])
		})
	}))
	require.Equal(t, []string{"a", "b"}, names)
	require.True(t, found)
	require.False(t, missing)
	// Rows that are left in the middle do not block the commit.
	require.ErrorIs(t, w.do(t.Context(), func(b *batch) error {
		return b.each("SELECT name FROM counters", nil, func(func(...any) error) error { return errOwn })
	}), errOwn)
	require.NoError(t, w.do(t.Context(), increment("a")))
}
