package rules

import (
	"sync"
	"time"
)

// Clock returns the store's clock, in milliseconds rounded down and up, when
// the machine's clock shows wall. It never runs backwards: if the machine's
// clock was set back, the store's runs on from where it was.
func (c *Counters) Clock(wall time.Time) (now, up int64) {
	ms := wall.UnixMilli()
	now = ms + c.Offset
	if now < c.Now {
		c.Offset += c.Now - now
		now = c.Now
	}
	c.Now = now
	if wall.Sub(time.UnixMilli(ms)) > 0 {
		return now, now + 1
	}
	return now, now
}

// Latest is how far a handle of a store has seen the store's clock go. A look,
// and a step that changes nothing, may have answered by a now that no
// transaction has written; no later answer may be by an earlier one. It is safe
// for concurrent use.
type Latest struct {
	mu          sync.Mutex
	now, offset int64
}

// Merge brings the counters, as they were read from the store, up to what was
// seen, and remembers what they are ahead. Call it before Counters.Clock, and
// again before an answer by that leaves.
func (l *Latest) Merge(c *Counters) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.offset = max(l.now, c.Now), max(l.offset, c.Offset)
	c.Now, c.Offset = l.now, l.offset
}
