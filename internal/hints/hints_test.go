package hints

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
	var hub Hub
	hub.Notify("nobody")
	hub.NotifyAll()
	first, stopFirst := hub.Subscribe("a")
	second, stopSecond := hub.Subscribe("a")
	other, stopOther := hub.Subscribe("b")
	require.False(t, hinted(first), "what came before is not kept")
	require.True(t, hub.Has("a"))

	hub.Notify("a")
	hub.Notify("a", "c")
	require.True(t, hinted(first))
	require.False(t, hinted(first), "several become one")
	require.True(t, hinted(second), "all who wait for one ID")
	require.False(t, hinted(other))

	stopFirst()
	stopFirst()
	hub.NotifyAll()
	require.False(t, hinted(first))
	require.True(t, hinted(second))
	require.True(t, hinted(other))

	stopSecond()
	stopOther()
	require.False(t, hub.Has("a"))
	require.Empty(t, hub.hints, "nothing is left behind")
}

func TestWakersConcurrently(t *testing.T) {
	var hub Hub
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			id := lease.ID(rune('a' + i%4))
			for range 200 {
				hint, stop := hub.Subscribe(id)
				hub.Notify(id)
				<-hint
				hub.NotifyAll()
				stop()
			}
		})
	}
	running.Wait()
	require.Empty(t, hub.hints)
}

func TestAny(t *testing.T) {
	var hub Hub
	require.False(t, hub.Any())
	_, stop := hub.Subscribe("a")
	_, stopOther := hub.Subscribe("b")
	stop()
	require.True(t, hub.Any())
	stopOther()
	require.False(t, hub.Any())
}
