package backend

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestInflight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newInflight()
		require.True(t, f.join())
		f.shut(func() { require.False(t, f.join()) })
		require.False(t, f.join())
		f.hold()
		require.Equal(t, 2, f.wait(time.Second))
		f.leave()
		require.Equal(t, 1, f.wait(time.Second))
		idle := make(chan struct{})
		go func() {
			defer close(idle)
			f.wait(time.Hour)
		}()
		synctest.Wait()
		f.leave()
		<-idle
		require.Zero(t, f.wait(0))
		require.False(t, f.join())
	})
}

func TestInflightUnderLoad(t *testing.T) {
	f := newInflight()
	var inside sync.WaitGroup
	closed := false // written when nobody is inside
	for range 8 {
		inside.Go(func() {
			for f.join() {
				if closed {
					t.Error("inside after it was shut")
				}
				f.leave()
			}
		})
	}
	f.shut(func() {})
	require.Zero(t, f.wait(time.Minute))
	closed = true
	inside.Wait()
}

func BenchmarkInflight(b *testing.B) {
	f := newInflight()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			f.join()
			f.leave()
		}
	})
}
