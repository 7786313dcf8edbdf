package sqlitedb

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/benchtest"
)

// BenchmarkWriter measures group commit beside the same operations in one
// transaction each, on a connection of the same kind with the same prepared
// statements. Each iteration is a round of both, one after the other; x-single
// is the median of the rounds' ratios. Run it with
//
//	go test -run '^$' -bench Writer -benchtime 7x ./sqlitebackend/internal/sqlitedb
func BenchmarkWriter(b *testing.B) {
	for _, normal := range []bool{false, true} {
		for _, goroutines := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("normal=%v/goroutines=%d", normal, goroutines), func(b *testing.B) {
				grouped := openForWriterBench(b, normal)
				single := openForWriterBench(b, normal)
				var ratios, operations []float64
				var oneAtATime sync.Mutex
				for range b.N {
					base := benchtest.Throughput(b, goroutines, func(_ context.Context, name string) error {
						oneAtATime.Lock()
						defer oneAtATime.Unlock()
						return alone(single, benchOperation(name))
					})
					mine := benchtest.Throughput(b, goroutines, func(ctx context.Context, name string) error {
						return grouped.Do(ctx, Call{}, benchOperation(name))
					})
					ratios, operations = append(ratios, mine/base), append(operations, mine)
				}
				b.ReportMetric(benchtest.Median(ratios), "x-single")
				b.ReportMetric(benchtest.Median(operations), "ops/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// alone runs the Operation in a transaction of its own, without queue and gate.
func alone(w *Writer, op Operation) error {
	if err := w.open(context.Background()); err != nil {
		return err
	}
	if err := w.session.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := op(&Batch{Session: w.session}); err != nil {
		return err
	}
	return w.session.Exec("COMMIT")
}

// benchOperation reads a row, changes it and appends another, as granting a
// lease does.
func benchOperation(name string) Operation {
	return func(b *Batch) error {
		value := 0
		if _, err := b.Get("SELECT value FROM counters WHERE name = ?", []any{name}, &value); err != nil {
			return err
		}
		if err := increment(name)(b); err != nil {
			return err
		}
		return b.Exec("INSERT INTO log (name, value) VALUES (?, ?)", name, value)
	}
}

func openForWriterBench(b *testing.B, normal bool) *Writer {
	d := mustOpen(b, newPath(b), Options{Normal: normal})
	w := mustWriter(b, d, Hooks{})
	require.NoError(b, w.Do(b.Context(), Call{}, createCounters))
	require.NoError(b, w.Do(b.Context(), Call{}, func(b *Batch) error {
		return b.Exec("CREATE TABLE log (at INTEGER PRIMARY KEY, name TEXT, value INTEGER)")
	}))
	for g := range 1000 {
		require.NoError(b, w.Do(b.Context(), Call{}, increment("padding"+strconv.Itoa(g))))
	}
	return w
}
