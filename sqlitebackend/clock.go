package sqlitebackend

import (
	"sync/atomic"
	"time"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/bootclock"
)

// machine is what a store reads the time from.
//
// The store's clock is the machine's boot-time clock, which no step of the wall
// clock moves and which counts suspend, plus what the clock showed when the
// machine started: lease_counters keeps that with the ID of the boot. The first
// to write after another start of the machine writes it anew, by the wall clock
// or, where that is behind, so that the store's clock goes on from where it was.
//
// Where processes do not share such a clock ([bootclock.Shared]), or the boot
// has no ID, it is the wall clock, which stands still when that was set back.
type machine struct {
	wall func() time.Time
	boot func() time.Duration // nil: not shared
	id   string               // of the boot; "" if boot is nil
}

func thisMachine() machine {
	m := machine{wall: time.Now}
	if id := bootclock.BootID(); bootclock.Shared && id != "" {
		m.boot, m.id = bootclock.Now, id
	}
	return m
}

// origin is the store's clock at the start of a boot, Unix ms.
type origin struct {
	boot string
	at   int64
}

// reading is what the machine's clocks showed at a moment, and the latest time
// that the handle had used by then.
type reading struct {
	wall    time.Time
	boot    time.Duration
	highest int64 // Unix ms
}

func (m *machine) read() reading {
	r := reading{wall: m.wall()}
	if m.boot != nil {
		r.boot = m.boot()
	}
	return r
}

// continued returns the origin of this boot, which goes on from that of another
// one. highest is the latest time that was used.
func (m *machine) continued(highest int64, at reading) origin {
	return origin{boot: m.id, at: max(at.wall.UnixMilli(), highest) - at.boot.Milliseconds()}
}

// clock is the store's clock at a moment.
func (m *machine) clock(o origin, at reading) time.Time {
	if m.boot == nil {
		return at.wall
	}
	return time.UnixMilli(o.at).Add(at.boot)
}

// reader reads the store's clock for one handle. It is safe for concurrent use.
type reader struct {
	machine

	// highest is the latest time, ms, that this handle has used, written or not.
	// It matters where the wall clock is the store's.
	highest atomic.Int64
	// dates is what was last added for people, in steps of dateStep.
	dates atomic.Int64
}

func (r *reader) read() reading {
	highest := r.highest.Load()
	at := r.machine.read()
	at.highest = highest
	return at
}

// state fills in the clock of a moment, for counters that were read from the
// store: what others on this handle have read since does not count, or a look
// would be of another moment than its time.
func (r *reader) state(o origin, at reading, c *rules.Counters) (clock time.Time, dates time.Duration) {
	clock = r.clock(o, at)
	c.Now = max(c.Now, at.highest)
	for known := r.highest.Load(); known < clock.UnixMilli() && !r.highest.CompareAndSwap(known, clock.UnixMilli()); {
		known = r.highest.Load()
	}
	return clock, r.shift(at.wall, clock)
}

// dateStep is how far the dates that people see may be off the wall clock. It
// keeps one lease's dates the same from answer to answer.
const dateStep = time.Second

// shift returns what is added to the store's clock to show it to people.
func (r *reader) shift(wall, clock time.Time) time.Duration {
	if r.boot == nil {
		return 0
	}
	apart := wall.Round(0).Sub(clock)
	known := time.Duration(r.dates.Load())
	if (apart - known).Abs() < dateStep {
		return known
	}
	known = apart.Round(dateStep)
	r.dates.Store(int64(known))
	return known
}
