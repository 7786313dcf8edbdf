package etcdbackend

import (
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// clock is this machine's clock as the store uses it. It begins as the wall clock
// and goes on with the time since the machine started, so that no step of the
// wall clock moves it; what the two come to differ in is made up for slowly.
//
// The time of a step is the later one of this clock and of the time that the
// namespace's head tells (rules see to that): so it never runs backwards, in no
// process, and is never more than MaxSkew ahead of any machine's clock as long
// as those are no further apart.
type clock struct {
	wall func() time.Time

	mutex sync.Mutex
	at    time.Time     // what it showed
	read  time.Duration // when, by lease.Clock
	fault error         // what comparing it with another machine's has shown
}

// slew is by which part of the time that passes the clock follows the wall
// clock. Machines that synchronise theirs differ by far less in speed.
const slew = 1000

func newClock(wall func() time.Time) *clock {
	return &clock{wall: wall, at: wall().Round(0), read: lease.Clock()}
}

// now reads the clock. It never runs backwards.
func (c *clock) now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	read := lease.Clock()
	passed := max(read-c.read, 0)
	c.read, c.at = read, c.at.Add(passed)
	apart := c.wall().Round(0).Sub(c.at)
	c.at = c.at.Add(max(min(apart, passed/slew), -passed/slew))
	return c.at
}

// check returns an error if the namespace's time is too far ahead of ours, or
// another machine's clock was found to be too far from ours.
func (s *Store) checkClock(now time.Time, head int64) error {
	if s.options.MaxSkew == OneClock {
		return nil
	}
	if ahead := time.UnixMilli(head).Sub(now); ahead > s.options.MaxSkew {
		return &ClockSkewError{Skew: ahead, MaxSkew: s.options.MaxSkew}
	}
	s.clock.mutex.Lock()
	defer s.clock.mutex.Unlock()
	return s.clock.fault
}

// compared takes in what another machine's clock showed at a moment between two
// readings of ours. Only what is certain counts.
func (s *Store) compared(before, other, after time.Time) {
	var fault error
	if ahead := other.Sub(after); ahead > s.options.MaxSkew {
		fault = &ClockSkewError{Skew: ahead, MaxSkew: s.options.MaxSkew}
	} else if ahead = other.Sub(before); ahead < -s.options.MaxSkew {
		fault = &ClockSkewError{Skew: ahead, MaxSkew: s.options.MaxSkew}
	}
	s.clock.mutex.Lock()
	defer s.clock.mutex.Unlock()
	s.clock.fault = fault
}
