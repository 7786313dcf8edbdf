// Package hints tells the waiters of this process that it may be their turn.
// A hint is kept for one that is not looking at the moment, several become one,
// and one for an ID that nobody waits for is dropped.
package hints

import (
	"sync"

	"github.com/leasekit/leasekit/lease"
)

// Hub passes hints from those who change something to those who wait for it.
// The zero value is ready; all methods are safe for concurrent use.
type Hub struct {
	mutex sync.Mutex
	hints map[lease.ID]map[chan struct{}]struct{}
}

// Subscribe returns the hint channel of one waiter; several may wait for one
// ID. Subscribe before asking the store, so that no hint falls between. stop
// ends the subscription and may be called again; it does not close the channel.
func (h *Hub) Subscribe(id lease.ID) (hint <-chan struct{}, stop func()) {
	channel := make(chan struct{}, 1)
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.hints == nil {
		h.hints = make(map[lease.ID]map[chan struct{}]struct{})
	}
	if h.hints[id] == nil {
		h.hints[id] = make(map[chan struct{}]struct{}, 1)
	}
	h.hints[id][channel] = struct{}{}
	return channel, func() {
		h.mutex.Lock()
		defer h.mutex.Unlock()
		delete(h.hints[id], channel)
		if len(h.hints[id]) == 0 {
			delete(h.hints, id)
		}
	}
}

// Notify hints to the waiters of these IDs.
func (h *Hub) Notify(ids ...lease.ID) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for _, id := range ids {
		for channel := range h.hints[id] {
			Send(channel)
		}
	}
}

// NotifyAll hints to everybody who waits.
func (h *Hub) NotifyAll() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for _, channels := range h.hints {
		for channel := range channels {
			Send(channel)
		}
	}
}

// Has reports whether somebody waits for this ID.
func (h *Hub) Has(id lease.ID) bool {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return len(h.hints[id]) > 0
}

// Any reports whether anybody waits.
func (h *Hub) Any() bool {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return len(h.hints) > 0
}

// Send leaves a hint in a channel with room for one. It never blocks.
func Send(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default: // one is there already
	}
}
