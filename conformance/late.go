package conformance

import (
	"testing"
	"time"
)

const (
	// attempts is how often a case in real time is begun at most.
	attempts = 3
	// tolerated is how late a case's timers may be: a quarter of its unit of time.
	tolerated = 50 * time.Millisecond
)

// runReal runs a case in real time. One that fails while the machine keeps this
// process from running is begun anew: a lease of a second then ends before anybody
// can renew it, which says nothing about the store. One that fails in time fails
// at once.
func runReal(t *testing.T, c testCase, newFixture func(testing.TB) Fixture) {
	for n := 1; ; n++ {
		stop := watchTimers()
		r := record(t, c, newFixture(t))
		late := stop()
		if !again(n, r, late) {
			r.tell(t)
			return
		}
		t.Logf("once more, since the machine was late by %v:\n%s", late, r.text())
	}
}

// again reports whether a case that was run n times, and the last time like this,
// is to be run once more.
func again(n int, r *recorder, late time.Duration) bool {
	return r.Failed() && late > tolerated && n < attempts
}

// watchTimers begins to watch how late timers are; stop returns the worst.
func watchTimers() (stop func() time.Duration) {
	const interval = 5 * time.Millisecond
	stopping, worst := make(chan struct{}), make(chan time.Duration)
	go func() {
		var late time.Duration
		for {
			asked := time.Now()
			select {
			case <-stopping:
				worst <- late
				return
			case <-time.After(interval):
				late = max(late, time.Since(asked)-interval)
			}
		}
	}()
	return func() time.Duration {
		close(stopping)
		return <-worst
	}
}
