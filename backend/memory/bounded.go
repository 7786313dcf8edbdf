package memory

import (
	"time"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// Bounds are what a namespace keeps within that is a part of another one. Package
// delegate makes such a namespace; others need none.
type Bounds struct {
	// Load returns the clock and the cover of a step, or of a look, which begins with
	// these counters. It is called with the namespace locked.
	Load func(*rules.Counters) (clock time.Time, cover *rules.Cover)

	// Config is the configuration to begin with.
	Config lease.Config

	// MaxEnded is how many leases and waiters that have ended are remembered at
	// most, whatever Config says, and MaxEvents how many events. Both are more
	// than 0.
	MaxEnded, MaxEvents int
}

// NewBounded returns a handle on a new, empty namespace with bounds.
func NewBounded(b Bounds) *Store {
	s := NewStore()
	s.bounds, s.config = &b, b.Config
	s.config.Version = 1
	return s
}

// remember keeps what has ended: of more than there may be, the newest.
func (n *namespace) remember(r *rules.Record) {
	if n.bounds == nil {
		return
	}
	if len(n.ended) < n.bounds.MaxEnded {
		n.ended = append(n.ended, r)
		return
	}
	oldest := n.ended[n.oldest]
	if n.records[oldest.ID] == oldest { // it has not been forgotten, and its ID not used again
		delete(n.records, oldest.ID)
	}
	n.ended[n.oldest], n.free = r, oldest
	n.oldest = (n.oldest + 1) % len(n.ended)
}

// unused returns a record to be filled in.
func (n *namespace) unused() *rules.Record {
	r := n.free
	if n.free = nil; r == nil {
		return new(rules.Record)
	}
	return r
}

// dropEvents drops the oldest events once there are twice as many as there may be.
func (n *namespace) dropEvents() {
	if n.bounds == nil || len(n.events) < 2*n.bounds.MaxEvents {
		return
	}
	kept := copy(n.events, n.events[len(n.events)-n.bounds.MaxEvents:])
	clear(n.events[kept:])
	n.events = n.events[:kept]
}
