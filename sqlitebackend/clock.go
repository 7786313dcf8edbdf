package sqlitebackend

import (
	"sync"
	"time"
)

// clock returns the store's clock when the machine's shows wall. It never runs
// backwards: if the machine's clock was set back, the store's runs on from
// where it was, and offset grows.
func clock(wall time.Time, highest int64, offset *int64) time.Time {
	now := wall.Add(time.Duration(*offset) * time.Millisecond)
	if late := highest - now.UnixMilli(); late > 0 {
		*offset += late
		now = now.Add(time.Duration(late) * time.Millisecond)
	}
	return now
}

// latest is how far this handle has seen the store's clock go. A read, or a
// refusal, may have answered by a time that no transaction has written. It is
// safe for concurrent use.
type latest struct {
	mu          sync.Mutex
	now, offset int64
}

// merge brings what was read from the store up to what was seen, and remembers
// what that is ahead.
func (l *latest) merge(now, offset *int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.offset = max(l.now, *now), max(l.offset, *offset)
	*now, *offset = l.now, l.offset
}
