package backend

import (
	"math"
	"sync"
	"sync/atomic"
)

// gate counts what is under way, so that Close can refuse what comes later and
// wait for the rest. Passing it costs two atomic additions and never blocks.
//
// The count is in the low bits; shut makes it negative for ever. So one
// addition both joins and tells whether the gate was shut before, and whoever
// brings the count of a shut gate to zero is the last.
type gate struct {
	count atomic.Int64
	idle  chan struct{} // closed when the gate is shut and nothing is under way
	once  sync.Once
}

const shut = math.MinInt64

func newGate() *gate { return &gate{idle: make(chan struct{})} }

// enter joins, and reports whether the gate was open. If so, leave must follow.
func (g *gate) enter() bool {
	if g.count.Add(1) > 0 {
		return true
	}
	g.leave()
	return false
}

// hold joins on behalf of something that outlives its caller, which must itself
// be inside. It works on a shut gate too.
func (g *gate) hold() { g.count.Add(1) }

// leave ends what enter or hold began.
func (g *gate) leave() {
	if g.count.Add(-1) == shut {
		g.once.Do(func() { close(g.idle) })
	}
}

// shutAndWait refuses everything from now on and waits for what is inside. It
// is called once.
func (g *gate) shutAndWait(closing func()) {
	g.count.Add(shut + 1) // the one is this call itself
	closing()
	g.leave()
	<-g.idle
}
