package backend

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// longestAsk bounds how long after it began an ask may be decided. It is less
// than lease.MinEndedRetention, for which the store remembers ends and
// withdrawals: so a copy of the ask that comes later than that comes too late.
const longestAsk = time.Minute

// storeClock is a lower estimate of the store's clock: what the newest reply
// said, and the time since that reply came.
type storeClock struct {
	mu    sync.Mutex
	store time.Time     // the store's clock, in the step that the newest reply is of; zero before the first
	local time.Duration // lease.Clock when the reply came
}

// learn takes in what a reply said.
func (c *storeClock) learn(now time.Time) {
	if !now.IsZero() {
		local := lease.Clock()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.store, c.local = now, local
	}
}

// now returns the estimate, the zero time if there is none.
func (c *storeClock) now() time.Time { return c.at(lease.Clock()) }

// at returns the estimate at a reading of lease.Clock.
func (c *storeClock) at(reading time.Duration) time.Time {
	c.mu.Lock()
	store, local := c.store, c.local
	c.mu.Unlock()
	if store.IsZero() {
		return store
	}
	return store.Add(reading - local)
}

// notAfter returns when, by the store's clock, an ask that begins at this reading of
// lease.Clock must have been decided, if its caller waits so long.
func (c *storeClock) notAfter(reading, patience time.Duration) time.Time {
	now := c.at(reading)
	if now.IsZero() {
		return now
	}
	// A millisecond, the resolution of the store's clock.
	return now.Add(roundUp(min(max(patience, 0), longestAsk)) + time.Millisecond)
}

// opNames makes the names of renewals, which rise: 12 hexadecimal digits of the
// store's clock in milliseconds, 4 that count within one, and 12 random ones, by
// which engines differ.
type opNames struct {
	mu    sync.Mutex
	ms    int64
	count uint16
}

const opClockDigits = 12

// next returns a name that is greater than all before it, and than above, as
// text.
func (o *opNames) next(now time.Time, above string) string {
	ms := max(0, now.UnixMilli())
	if len(above) >= opClockDigits {
		if top, err := strconv.ParseInt(above[:opClockDigits], 16, 64); err == nil {
			ms = max(ms, top+1)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case ms > o.ms:
		o.ms, o.count = ms, 0
	case o.count == 1<<16-1:
		o.ms, o.count = o.ms+1, 0
	default:
		o.count++
	}
	var b [14]byte
	binary.BigEndian.PutUint64(b[:8], uint64(o.ms)<<16|uint64(o.count))
	binary.BigEndian.PutUint64(b[6:], uint64(o.count)<<48|rand.Uint64()>>16)
	return hex.EncodeToString(b[:])
}
