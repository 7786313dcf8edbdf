package conformance

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSchedule: tests in real time run many at once, those that take minutes
// from the start and until the end; tests in virtual time run when the short ones
// in real time are over.
func TestSchedule(t *testing.T) {
	const n = 3 * atOnce
	var now, over, long atomic.Int64
	crowd := make(chan struct{})
	var full sync.Once
	inReal := []subtest{{inMinutes[0], func(*testing.T) {
		long.Add(1)
		<-crowd
	}}}
	for i := range n {
		inReal = append(inReal, subtest{fmt.Sprint("real-", i), func(t *testing.T) {
			at := now.Add(1)
			require.LessOrEqual(t, at, int64(atOnce))
			if at == atOnce {
				full.Do(func() { close(crowd) })
			}
			<-crowd // as many at once, or the test hangs
			now.Add(-1)
			over.Add(1)
		}})
	}
	begun := make(chan struct{})
	inReal = append(inReal, subtest{"first", func(*testing.T) { close(begun) }})
	inReal[1], inReal[n+1] = inReal[n+1], inReal[1]
	t.Run("real", func(t *testing.T) {
		var both sync.WaitGroup
		defer both.Wait()
		both.Go(func() { runAll(t, true, inReal) })
		<-begun
		both.Go(func() {
			runAll(t, false, []subtest{{"virtual", func(t *testing.T) { require.EqualValues(t, n, over.Load()) }}})
		})
	})
	require.EqualValues(t, 1, long.Load())
}
