package conformance

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// clockCases: when a lease ends, by the store's clock and by its holder's.
var clockCases = []testCase{
	{"Clock/NeverEarly", "nobody is granted the path before the TTL has passed since the call that granted it began, by any clock", func(h *harness) {
		for i := range 5 {
			h.pass(time.Duration(i) * 217 * time.Microsecond) // grants fall between milliseconds
			r := h.request("a", lease.Paths("f"))
			r.TTL = h.units(1)
			start := time.Now()
			first := h.acquire(h.M, r)
			h.pass(r.TTL - 3*time.Millisecond)
			var next lease.Lease
			for {
				var err error
				if next, err = h.M.TryAcquire(h.Context(), h.request("b", lease.Paths("f"))); err == nil {
					break
				}
				require.Less(h, time.Since(start), r.TTL+h.patience())
				h.pass(100 * time.Microsecond)
			}
			require.GreaterOrEqual(h, time.Since(start), r.TTL)
			require.False(h, next.GrantedAt.Before(first.ExpiresAt))
			require.False(h, first.Valid())
			h.release(next)
		}
	}},
	{"Clock/RenewalNeverEarly", "nor before the TTL has passed since a renewal began", func(h *harness) {
		for i, ttl := range []time.Duration{0, h.units(1), 0, h.units(1)} {
			l := h.brief("a", lease.Paths("f"), 1)
			h.pass(time.Duration(2*i+1) * 317 * time.Microsecond)
			start := time.Now()
			renewed, err := h.M.Renew(h.Context(), l.Ref(), ttl)
			require.NoError(h, err)
			h.pass(h.units(1) - 2*time.Millisecond)
			for {
				next, err := h.M.TryAcquire(h.Context(), h.request("b", lease.Paths("f")))
				if err == nil {
					require.GreaterOrEqual(h, time.Since(start), h.units(1))
					require.False(h, renewed.Valid())
					h.release(next)
					break
				}
				h.pass(100 * time.Microsecond)
			}
		}
	}},
	{"Clock/HolderKnowsFirst", "a holder's lease is no longer valid, by its own clock, when the next one is granted", func(h *harness) {
		runs := h.rounds(100)
		if h.fixture.RealTime {
			runs = 3
		}
		for i := range runs {
			h.pass(time.Duration(i) * 123 * time.Microsecond)
			held := h.brief("a", lease.Paths("f"), 3)
			require.True(h, held.Valid())
			next := h.queue("b", lease.Paths("f")).granted()
			require.False(h, held.Valid(), "run %d", i)
			require.Zero(h, held.Remaining())
			h.release(next)
		}
	}},
	{"Clock/CountsFromTheCall", "how long a lease can be relied on counts from before the call that brought it, less a margin", func(h *harness) {
		faults, m := h.faulty(FaultOptions{Delay: h.units(3)})
		faults.Next(OpAcquire, Late)
		start := time.Now()
		l := h.acquire(m, h.request("a", lease.Paths("f")))
		require.LessOrEqual(h, l.Deadline().Sub(start), l.TTL-lease.Margin(l.TTL)+resolution)
		require.LessOrEqual(h, l.Remaining(), l.TTL-h.units(3)-lease.Margin(l.TTL)+resolution)
		faults.Next(OpRenew, Late)
		start = time.Now()
		l, err := m.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.LessOrEqual(h, l.Deadline().Sub(start), l.TTL-lease.Margin(l.TTL)+resolution)
	}},
	{"Clock/TooLateToRelyOn", "a lease whose grant took longer to arrive than it lasts is not valid", func(h *harness) {
		faults, m := h.faulty(FaultOptions{Delay: h.units(4)})
		faults.Next(OpAcquire, Late)
		r := h.request("a", lease.Paths("f"))
		r.TTL = h.units(2)
		l, err := m.TryAcquire(h.Context(), r)
		require.NoError(h, err)
		require.False(h, l.Valid())
		h.hold("b", lease.Paths("f"))
	}},
	{"Clock/AskedAgain", "a lease that is asked for again says how long it still lasts, not how long it once lasted", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.ID, r.TTL = "one", h.units(20)
		h.acquire(h.M, r)
		h.sleep(5)
		l := h.acquire(h.M, r)
		require.Greater(h, l.Remaining(), h.units(5))
		require.LessOrEqual(h, l.Remaining(), h.units(15)+resolution)
	}},
	{"Clock/OneClock", "the times of all handles are of one clock, which never runs backwards", func(h *harness) {
		managers := []lease.Manager{h.M, h.open(), h.open()}
		var last time.Time
		for i := range 30 {
			m := managers[i%len(managers)]
			l := h.acquire(m, h.request("a", lease.SharedPaths("f")))
			require.False(h, l.GrantedAt.Before(last))
			stats, err := m.Stats(h.Context())
			require.NoError(h, err)
			require.False(h, stats.Now.Before(l.GrantedAt))
			last = stats.Now
			h.pass(700 * time.Microsecond)
		}
	}},
	{"Clock/Passes", "the store's clock goes as fast as the holders'", func(h *harness) {
		before, err := h.M.Stats(h.Context())
		require.NoError(h, err)
		start := time.Now()
		h.sleep(5)
		after, err := h.M.Stats(h.Context())
		require.NoError(h, err)
		require.InDelta(h, time.Since(start), after.Now.Sub(before.Now), float64(h.patience()))
	}},
	{"Clock/LongTTL", "the longest TTL is kept to the millisecond", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.TTL = lease.MaxTTL
		h.set(func(c *lease.Config) { c.AutoSweep = false })
		l := h.acquire(h.M, r)
		require.GreaterOrEqual(h, l.ExpiresAt.Sub(l.GrantedAt), lease.MaxTTL)
		require.Less(h, l.ExpiresAt.Sub(l.GrantedAt), lease.MaxTTL+resolution)
	}},
	{"Clock/Milliseconds", "the times of a lease are whole milliseconds, the same however they are read", func(h *harness) {
		h.pass(345678 * time.Nanosecond)
		l := h.hold("a", lease.Paths("f"))
		for _, at := range []time.Time{l.CreatedAt, l.GrantedAt, l.ExpiresAt, l.UpdatedAt} {
			require.Equal(h, at.Truncate(time.Millisecond), at)
		}
		seen := h.get(l.ID)
		require.Equal(h, l.CreatedAt, seen.CreatedAt)
		require.Equal(h, l.GrantedAt, seen.GrantedAt)
		require.Equal(h, l.ExpiresAt, seen.ExpiresAt)
	}},
}
