package backend

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		require.True(t, g.enter())
		shut := make(chan struct{})
		go func() {
			defer close(shut)
			g.shutAndWait(func() {})
		}()
		synctest.Wait()
		require.False(t, g.enter())
		g.hold()
		g.leave()
		synctest.Wait()
		select {
		case <-shut:
			t.Fatal("somebody still holds it")
		default:
		}
		g.leave()
		<-shut
		require.False(t, g.enter())
	})
}

func TestGateUnderLoad(t *testing.T) {
	g := newGate()
	var inside sync.WaitGroup
	closed := false // guarded by the gate: written when nobody is inside
	for range 8 {
		inside.Go(func() {
			for g.enter() {
				if closed {
					t.Error("inside after it was shut")
				}
				g.leave()
			}
		})
	}
	g.shutAndWait(func() {})
	closed = true
	inside.Wait()
}

func BenchmarkGate(b *testing.B) {
	g := newGate()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			g.enter()
			g.leave()
		}
	})
}
