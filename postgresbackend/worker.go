package postgresbackend

import (
	"sync"
	"sync/atomic"
)

// worker runs one function in the background, at most once. The zero value is
// ready.
type worker struct {
	start sync.Once
	runs  atomic.Bool // it has begun
	ended chan struct{}
}

// begun reports whether it has begun.
func (w *worker) begun() bool { return w.runs.Load() }

// begin begins to run f, unless that was begun or ended before.
func (w *worker) begin(f func()) {
	w.start.Do(func() {
		w.ended = make(chan struct{})
		w.runs.Store(true)
		go func() {
			defer close(w.ended)
			f()
		}()
	})
}

// end waits for its end, which its caller has asked for. From now on it does not
// begin.
func (w *worker) end() {
	w.start.Do(func() {})
	if w.begun() {
		<-w.ended
	}
}
