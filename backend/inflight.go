package backend

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// inflight counts what is under way, so that Close can refuse what comes later
// and wait for the rest. Joining costs two atomic additions and never blocks.
//
// The count is in the low bits; shut makes it negative for ever. So one
// addition both joins and tells whether it was shut before, and whoever brings
// the count to zero after that is the last.
type inflight struct {
	count atomic.Int64
	idle  chan struct{} // closed when it is shut and nothing is under way
	once  sync.Once
}

const shut = math.MinInt64

func newInflight() *inflight { return &inflight{idle: make(chan struct{})} }

// join reports whether the caller may go on. If so, leave must follow.
func (f *inflight) join() bool {
	if f.count.Add(1) > 0 {
		return true
	}
	f.leave()
	return false
}

// hold joins on behalf of something that outlives its caller, which must itself
// have joined. It works after shut too.
func (f *inflight) hold() { f.count.Add(1) }

// leave ends what join or hold began.
func (f *inflight) leave() {
	if f.count.Add(-1) == shut {
		f.once.Do(func() { close(f.idle) })
	}
}

// shut refuses everything from now on. It is called once.
func (f *inflight) shut(closing func()) {
	f.count.Add(shut + 1) // the one is this call itself
	closing()
	f.leave()
}

// wait waits, after shut, for what is under way, but no longer than d. It
// returns how many are left.
func (f *inflight) wait(d time.Duration) int {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-f.idle:
		return 0
	case <-timer.C:
		return int(f.count.Load() - shut)
	}
}
