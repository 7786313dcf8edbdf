// Package bootclock is a clock that nobody can bend: it counts the time since
// the machine started, while it was suspended too, and no step of the wall
// clock makes it jump. All processes of a machine read the same clock, where
// the platform has one ([Shared]).
//
// It is made of two parts: the monotonic clock of package time, which does not
// count suspend, and how long the machine was suspended, which the platform's
// files ask the system for. So it follows the virtual time of a
// testing/synctest bubble, in which the second part does not change.
package bootclock

import (
	"sync"
	"time"
)

// Now returns the time since the machine started. It never runs backwards
// within a process. It is safe for concurrent use.
func Now() time.Duration {
	now := time.Now()
	passed := now.Sub(start.at)
	return passed + start.since + suspensions.longer(passed, now.Round(0).Sub(start.at.Round(0))-passed)
}

// Since returns how long ago a reading of [Now] was taken.
func Since(reading time.Duration) time.Duration { return Now() - reading }

// start is when this process first read the clock.
var start = func() (s struct {
	at    time.Time
	since time.Duration // the machine's start, suspend included
}) {
	s.since, s.at = sinceBoot(), time.Now()
	return s
}()

// suspensions is how much longer the machine has been suspended since the
// process started.
var suspensions = suspension{first: suspended(), ask: suspended}

type suspension struct {
	first time.Duration // suspended, at the start of the process
	ask   func() time.Duration

	mu    sync.Mutex
	known time.Duration
	asked time.Duration // when the system was asked last, by the monotonic clock
	skew  time.Duration // of the wall clock against the monotonic one then
}

// asksAfter is how long the system's answer is good for, as long as the wall
// clock and the monotonic one agree: a suspension sets them apart.
const asksAfter = time.Second

// longer returns the time of all suspensions since the process started, when
// the monotonic clock and the wall clock's skew against it show this. What two
// readings differ by through the system's scheduler is no suspension. To ask
// the system costs some microseconds, so that is done when there is a reason.
func (s *suspension) longer(passed, skew time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked > 0 && (skew-s.skew).Abs() < noise/2 && passed-s.asked < asksAfter && passed >= s.asked {
		return s.known
	}
	s.asked, s.skew = max(passed, 1), skew
	if now := s.ask() - s.first; now-s.known >= noise {
		s.known = now
	}
	return s.known
}
