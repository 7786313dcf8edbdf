package sqlitebackend

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// callTogether makes calls, each of which queues one operation, while no batch
// can run, so that they share one in this order, and returns their errors.
func callTogether(t testing.TB, w *sqlitedb.Writer, calls ...func() error) []error {
	t.Helper()
	results := make([]error, len(calls))
	var running sync.WaitGroup
	require.NoError(t, w.Queue().Exclusive(context.Background(), func() error {
		for i, call := range calls {
			running.Go(func() { results[i] = call() })
			for w.Queue().Len() != i+1 {
				runtime.Gosched()
			}
		}
		return nil
	}))
	running.Wait()
	return results
}

func inParallel(goroutines int, f func(g int) error) error {
	results := make([]error, goroutines)
	var running sync.WaitGroup
	for g := range goroutines {
		running.Go(func() { results[g] = f(g) })
	}
	running.Wait()
	return errors.Join(results...)
}
