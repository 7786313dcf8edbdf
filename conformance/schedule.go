package conformance

import (
	"runtime"
	"slices"
	"sync"
	"testing"
)

// inMinutes names the cases that take two or three minutes in real time: they wait
// for the least ended_retention to pass, for an idle engine to look at the
// configuration, or through many heartbeats.
var inMinutes = []string{
	"Crowd/SweptInSeveralSteps",
	"Every/SweepOfOneKind",
	"Fencing/AfterForgetting",
	"Get/Remembered",
	"Get/RememberedFromTheEnd",
	"Handover/IdleAsks",
	"Over/RetentionFromTheEnd",
	"Second/IDAfterItsEnd",
	"Sizes/EndedMax",
	"Identity/EndForgotten",
	"Identity/TombstoneLasts",
	"Identity/WithdrawnAgainLater",
	"Renew/LongAfter",
	"Sweep/BackgroundOfAnother",
	"Sweep/EndedMaxAfterRetention",
	"Sweep/TokensRiseOn",
	"Timeout/LongWait",
}

// atOnce is how many tests in real time run at once, besides those of inMinutes.
// With more of them, each would wait for a processor for longer than its TTLs
// allow.
const atOnce = 16

// subtest is a test of its own within a suite.
type subtest struct {
	name string
	run  func(t *testing.T)
}

// schedule decides how many tests run at once in this process, whatever suites
// they belong to and -parallel says. In real time tests wait nearly always, so
// many run at once; those of inMinutes hardly do anything else, so they begin
// first and do not count. In virtual time a test keeps a processor busy, so they
// stand back until those in real time, with their short TTLs, are over.
type schedule struct {
	mu      sync.Mutex
	changed sync.Cond
	ahead   int // tests in real time that are to end before any in virtual time begins
	real    int // those of them that run
	virtual int // tests in virtual time that run
}

var running = newSchedule()

func newSchedule() *schedule {
	s := new(schedule)
	s.changed.L = &s.mu
	return s
}

// change makes a change, f, once it may be made.
func (s *schedule) change(may func() bool, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !may() {
		s.changed.Wait()
	}
	f()
	s.changed.Broadcast()
}

func always() bool { return true }

// runAll runs the tests of a suite as subtests of t and returns when all have
// ended.
func runAll(t *testing.T, realTime bool, tests []subtest) {
	var all sync.WaitGroup
	defer all.Wait()
	if !realTime {
		for _, test := range tests {
			running.change(func() bool { return running.ahead == 0 && running.virtual < runtime.GOMAXPROCS(0) },
				func() { running.virtual++ })
			all.Go(func() {
				defer running.change(always, func() { running.virtual-- })
				t.Run(test.name, test.run)
			})
		}
		return
	}
	var short []subtest
	for _, test := range tests {
		if !slices.Contains(inMinutes, test.name) {
			short = append(short, test)
			continue
		}
		all.Go(func() { t.Run(test.name, test.run) })
	}
	running.change(always, func() { running.ahead += len(short) })
	for _, test := range short {
		running.change(func() bool { return running.real < atOnce }, func() { running.real++ })
		all.Go(func() {
			defer running.change(always, func() { running.real--; running.ahead-- })
			t.Run(test.name, test.run)
		})
	}
}
