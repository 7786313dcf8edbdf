package sqlitebackend

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkWriter measures group commit beside the same operations in one
// transaction each, on a connection of the same kind with the same prepared
// statements. Each iteration is a round of both, one after the other; x-single
// is the median of the rounds' ratios. Run it with
//
//	go test -run '^$' -bench Writer -benchtime 7x ./sqlitebackend
func BenchmarkWriter(b *testing.B) {
	for _, synchronous := range []Synchronous{Full, Normal} {
		for _, goroutines := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("synchronous=%s/goroutines=%d", synchronous, goroutines), func(b *testing.B) {
				grouped := openForWriterBench(b, synchronous)
				single := openForWriterBench(b, synchronous)
				var ratios, operations []float64
				var oneAtATime sync.Mutex
				for range b.N {
					base := throughput(b, goroutines, func(_ context.Context, name string) error {
						oneAtATime.Lock()
						defer oneAtATime.Unlock()
						return alone(single, benchOperation(name))
					})
					mine := throughput(b, goroutines, func(ctx context.Context, name string) error {
						return grouped.do(ctx, benchOperation(name))
					})
					ratios, operations = append(ratios, mine/base), append(operations, mine)
				}
				b.ReportMetric(median(ratios), "x-single")
				b.ReportMetric(median(operations), "ops/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// alone runs the operation in a transaction of its own, without queue and gate.
func alone(w *writer, op operation) error {
	if err := w.open(context.Background()); err != nil {
		return err
	}
	if _, err := w.session.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := op(&batch{session: w.session}); err != nil {
		return err
	}
	_, err := w.session.exec("COMMIT")
	return err
}

// benchOperation reads a row, changes it and appends another, as granting a
// lease does.
func benchOperation(name string) operation {
	return func(b *batch) error {
		value := 0
		if _, err := b.get("SELECT value FROM counters WHERE name = ?", []any{name}, &value); err != nil {
			return err
		}
		if err := increment(name)(b); err != nil {
			return err
		}
		_, err := b.exec("INSERT INTO log (name, value) VALUES (?, ?)", name, value)
		return err
	}
}

func openForWriterBench(b *testing.B, s Synchronous) *writer {
	d := mustOpen(b, newPath(b), Options{Synchronous: s})
	w := mustWriter(b, d, hooks{})
	require.NoError(b, w.do(b.Context(), createCounters))
	require.NoError(b, w.do(b.Context(), func(b *batch) error {
		_, err := b.exec("CREATE TABLE log (at INTEGER PRIMARY KEY, name TEXT, value INTEGER)")
		return err
	}))
	for g := range 1000 {
		require.NoError(b, w.do(b.Context(), increment("padding"+strconv.Itoa(g))))
	}
	return w
}
