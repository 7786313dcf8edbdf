package sqlitebackend

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func hinted(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return true
	default:
		return false
	}
}

func TestWakers(t *testing.T) {
	var w wakers
	w.wake("nobody")
	w.wakeAll()
	first, stopFirst := w.subscribe("a")
	second, stopSecond := w.subscribe("a")
	other, stopOther := w.subscribe("b")
	require.False(t, hinted(first), "what came before is not kept")
	require.True(t, w.has("a"))

	w.wake("a")
	w.wake("a", "c")
	require.True(t, hinted(first))
	require.False(t, hinted(first), "several become one")
	require.True(t, hinted(second), "all who wait for one ID")
	require.False(t, hinted(other))

	stopFirst()
	stopFirst()
	w.wakeAll()
	require.False(t, hinted(first))
	require.True(t, hinted(second))
	require.True(t, hinted(other))

	stopSecond()
	stopOther()
	require.False(t, w.has("a"))
	require.Empty(t, w.hints, "nothing is left behind")
}

func TestWakersConcurrently(t *testing.T) {
	var w wakers
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			id := lease.ID(rune('a' + i%4))
			for range 200 {
				hint, stop := w.subscribe(id)
				w.wake(id)
				<-hint
				w.wakeAll()
				stop()
			}
		})
	}
	running.Wait()
	require.Empty(t, w.hints)
}
