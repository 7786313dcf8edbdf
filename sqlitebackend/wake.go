package sqlitebackend

import (
	"sync"

	"github.com/leasekit/leasekit/lease"
)

// wakers tells the waiters of this process that it may be their turn. A wake
// is a hint: it is kept for one that is not looking at the moment, several
// become one, and one for an ID that nobody waits for is dropped. The zero
// value is ready; all methods are safe for concurrent use.
type wakers struct {
	mutex sync.Mutex
	hints map[lease.ID]map[chan struct{}]struct{}
}

// subscribe returns the hint channel of one waiter; several may wait for one
// ID. Subscribe before asking the store, so that no wake falls between. stop
// ends the subscription and may be called again; it does not close the channel.
func (w *wakers) subscribe(id lease.ID) (hint <-chan struct{}, stop func()) {
	channel := make(chan struct{}, 1)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.hints == nil {
		w.hints = make(map[lease.ID]map[chan struct{}]struct{})
	}
	if w.hints[id] == nil {
		w.hints[id] = make(map[chan struct{}]struct{}, 1)
	}
	w.hints[id][channel] = struct{}{}
	return channel, func() {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		delete(w.hints[id], channel)
		if len(w.hints[id]) == 0 {
			delete(w.hints, id)
		}
	}
}

// wake hints to the waiters of these IDs.
func (w *wakers) wake(ids ...lease.ID) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, id := range ids {
		for channel := range w.hints[id] {
			hint(channel)
		}
	}
}

// wakeAll hints to everybody who waits.
func (w *wakers) wakeAll() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, channels := range w.hints {
		for channel := range channels {
			hint(channel)
		}
	}
}

// has reports whether somebody waits for this ID.
func (w *wakers) has(id lease.ID) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return len(w.hints[id]) > 0
}

func hint(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default: // one is there already
	}
}
