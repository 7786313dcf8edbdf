package sqlitedb

import (
	"context"
	"database/sql/driver"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// A full disk is the fault of no operation: all are told the same, with the
// cause, and the writer works again when there is room.
func TestWriterDiskFull(t *testing.T) {
	for _, path := range []string{newPath(t), MemoryPath} {
		d := mustOpen(t, path, quick)
		w := mustWriter(t, d, Hooks{})
		require.NoError(t, w.Do(t.Context(), Call{}, createCounters))
		require.NoError(t, w.Do(t.Context(), Call{}, func(b *Batch) error {
			_, err := b.Get("PRAGMA max_page_count = 4", nil, new(int))
			return err
		}))
		fill := func(b *Batch) error {
			return b.Exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)" +
				" INSERT INTO counters SELECT 'fill' || printf('%4000d', i), 1 FROM n")
		}
		var ran atomic.Int64
		neighbour := func(b *Batch) error { ran.Add(1); return increment("a")(b) }
		for _, err := range together(t, w, neighbour, neighbour, fill) {
			require.ErrorIs(t, err, lease.ErrUnavailable)
			require.Equal(t, codeFull, resultCode(err))
		}
		require.EqualValues(t, 2, ran.Load(), "no replay")
		require.Zero(t, value(t, d, "a"))
		require.NoError(t, w.Do(t.Context(), Call{}, func(b *Batch) error {
			_, err := b.Get("PRAGMA max_page_count = 1000000", nil, new(int))
			return err
		}))
		require.NoError(t, w.Do(t.Context(), Call{}, fill))
	}
}

// A connection that fails between batches is replaced without anybody
// noticing; one that fails inside is replaced for the next batch.
func TestWriterReplacesBrokenConnections(t *testing.T) {
	d, w := newCounters(t, Hooks{})
	spoil := func() {
		w.session.close() // the driver does not survive the other order
		_ = w.session.connection.Raw(func(any) error { return driver.ErrBadConn })
	}
	require.NoError(t, w.queue.Exclusive(t.Context(), func() error { spoil(); return nil }))
	require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))

	require.NoError(t, w.queue.Exclusive(t.Context(), func() error {
		return w.session.Exec("BEGIN") // a transaction that nobody ends
	}))
	require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))

	require.ErrorIs(t, w.Do(t.Context(), Call{}, thenFail(driver.ErrBadConn)), lease.ErrUnavailable)
	require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))

	// The transaction ends inside an operation: nobody knows what was kept.
	err := w.Do(t.Context(), Call{}, func(b *Batch) error { return b.Exec("ROLLBACK") })
	require.ErrorIs(t, err, lease.ErrUnavailable)
	require.ErrorContains(t, err, "outcome unknown")
	require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))
	require.Equal(t, 4, value(t, d, "a"))
	require.Zero(t, value(t, d, "failed"))
}

// Somebody who does not know of the gate holds SQLite's lock.
func TestWriterWaitsForLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := newPath(t)
		d, foreign := mustOpen(t, path, quick), mustOpen(t, path, quick)
		w := mustWriter(t, d, Hooks{})
		require.NoError(t, w.Do(t.Context(), Call{}, createCounters))
		tx, err := foreign.writer.BeginTx(t.Context(), nil)
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		require.ErrorIs(t, w.Do(ctx, Call{}, increment("a")), context.DeadlineExceeded)
		cancel()

		start := time.Now()
		err = w.Do(t.Context(), Call{}, increment("a"))
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.True(t, isBusy(err))
		require.InDelta(t, busyPatience, time.Since(start), float64(time.Second))

		result := make(chan error)
		go func() { result <- w.Do(context.Background(), Call{}, increment("a")) }()
		require.NoError(t, sleep(t.Context(), time.Second))
		require.NoError(t, tx.Rollback())
		require.NoError(t, <-result)
		require.Equal(t, 1, value(t, d, "a"))
	})
}

// Handles of one process on one file, in a bubble, with a foreign writer
// between them: nobody deadlocks and nobody sees SQLITE_BUSY.
func TestWriterSeveralHandlesInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const handles, goroutines, rounds = 3, 4, 20
		path := newPath(t)
		d := mustOpen(t, path, quick)
		foreign := mustOpen(t, path, quick)
		require.NoError(t, mustWriter(t, d, Hooks{}).Do(t.Context(), Call{}, createCounters))
		var running sync.WaitGroup
		for range handles {
			w := mustWriter(t, mustOpen(t, path, quick), Hooks{})
			for range goroutines {
				running.Go(func() {
					for range rounds {
						if err := w.Do(context.Background(), Call{}, increment("a")); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		running.Go(func() {
			for range rounds {
				err := retryBusy(context.Background(), func() error {
					_, err := foreign.writer.Exec("INSERT INTO counters VALUES ('foreign', 1) ON CONFLICT DO UPDATE SET value = value + 1")
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
		running.Wait()
		require.Equal(t, handles*goroutines*rounds, value(t, d, "a"))
		require.Equal(t, rounds, value(t, d, "foreign"))
	})
}
