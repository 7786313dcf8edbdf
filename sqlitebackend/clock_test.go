package sqlitebackend

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// clocks are a machine's, set by hand: the wall clock, and the time since it
// started. The zero time of a boot is an hour.
type clocks struct {
	mu   sync.Mutex
	wall time.Time
	boot time.Duration
}

func newClocks() *clocks { return &clocks{wall: time.UnixMilli(1_800_000_000_000), boot: time.Hour} }

// pass lets time pass, step sets the wall clock.
func (c *clocks) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.boot = c.wall.Add(d), c.boot+d
}

func (c *clocks) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

// machine has these clocks, in the boot of this ID; "" if it has no clock that
// processes share.
func (c *clocks) machine(id string) machine {
	m := machine{id: id, wall: func() time.Time {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.wall
	}}
	if id != "" {
		m.boot = func() time.Duration {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.boot
		}
	}
	return m
}

// open opens a handle on a machine with these clocks, which is closed with the
// test.
func (c *clocks) open(t *testing.T, path, id string) *Store {
	t.Helper()
	s, err := openOn(t.Context(), c.machine(id), path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// now is the store's clock.
func now(t *testing.T, s *Store) time.Time {
	t.Helper()
	reply, err := s.Config(t.Context())
	require.NoError(t, err)
	return reply.Now
}

// grant takes a path for a time, and status says what has become of it.
func grant(t *testing.T, s *Store, id lease.ID, ttl time.Duration) {
	t.Helper()
	reply, err := s.Acquire(t.Context(), backend.AcquireArgs{
		Request: lease.Request{ID: id, Holder: "h", Claims: []lease.Claim{{Path: string(id)}}, TTL: ttl, MaxRenewals: lease.Unlimited},
		Attempt: string(id), ConfigVersion: 1,
	})
	require.NoError(t, err)
	require.Equal(t, backend.Done, reply.Outcome)
}

func status(t *testing.T, s *Store, id lease.ID) lease.Status {
	t.Helper()
	page, err := s.List(t.Context(), lease.Query{ID: id}, "")
	require.NoError(t, err)
	require.Len(t, page.Leases, 1)
	return page.Leases[0].Status
}

// No step of the wall clock ends or prolongs a lease, for any handle.
func TestWallClockSteps(t *testing.T) {
	const ttl = time.Minute
	for name, steps := range map[string][]time.Duration{
		"back an hour":       {-time.Hour},
		"back and right":     {-time.Hour, time.Hour},
		"ahead for a moment": {time.Hour, -time.Hour},
		"ahead":              {time.Hour},
		"a glitch of a year": {365 * 24 * time.Hour, -365 * 24 * time.Hour},
		"back ten years":     {-10 * 365 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			path, c := newPath(t), newClocks()
			one, other := c.open(t, path, "boot"), c.open(t, path, "boot")
			begun := now(t, one)
			require.Equal(t, c.wall.UnixMilli(), begun.UnixMilli(), "it starts at the wall clock")
			grant(t, one, "a", ttl)
			for _, d := range steps {
				c.step(d)
				require.Equal(t, begun, now(t, other), "while it only looks")
				require.Equal(t, begun, now(t, one))
				_, err := one.Sweep(t.Context(), 100)
				require.NoError(t, err)
			}
			c.pass(ttl - time.Millisecond)
			require.Equal(t, lease.Active, status(t, one, "a"))
			require.Equal(t, lease.Active, status(t, other, "a"))
			c.pass(time.Millisecond)
			require.Equal(t, lease.Expired, status(t, one, "a"))
			require.Equal(t, lease.Expired, status(t, other, "a"))
			stats, err := one.Stats(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 1, stats.Oldest, "no history was trimmed")
		})
	}
}

// After another start of the machine the clock goes on by the wall clock, and
// never from before where it was.
func TestReboot(t *testing.T) {
	for name, c := range map[string]struct{ off, step, want time.Duration }{
		"off for a while":     {off: time.Minute, want: time.Minute},
		"the clock set back":  {off: time.Minute, step: -time.Hour, want: 0},
		"off, the lease over": {off: 2 * time.Hour, want: 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			path, before := newPath(t), newClocks()
			s := before.open(t, path, "first")
			grant(t, s, "a", time.Hour)
			was := now(t, s)
			_, err := s.Sweep(t.Context(), 1)
			require.NoError(t, err)

			after := newClocks()
			after.boot = time.Second
			after.step(c.off + c.step)
			again := after.open(t, path, "second")
			require.Equal(t, was.Add(c.want), now(t, again))
			other := after.open(t, path, "second")
			after.pass(time.Minute)
			require.Equal(t, was.Add(c.want+time.Minute), now(t, other))
			require.Equal(t, now(t, again), now(t, other), "two handles agree")
			want := lease.Active
			if c.want+time.Minute >= time.Hour {
				want = lease.Expired
			}
			require.Equal(t, want, status(t, other, "a"))
		})
	}
}

// A handle that only looks sees what another one has begun in this boot.
func TestSuspendAndLooks(t *testing.T) {
	path, c := newPath(t), newClocks()
	one, other := c.open(t, path, "boot"), c.open(t, path, "boot")
	grant(t, one, "a", time.Minute)
	c.pass(8 * time.Hour) // the lid was closed: boot time counts it
	require.Equal(t, lease.Expired, status(t, other, "a"))
	require.Equal(t, now(t, one), now(t, other))
}

// Where there is no such clock the wall clock is it: set back it stands still,
// for the handle that has told a later time, even if it only looked.
func TestWallClockWithoutBoot(t *testing.T) {
	c := newClocks()
	s := c.open(t, newPath(t), "")
	grant(t, s, "a", time.Minute)
	c.pass(2 * time.Minute)
	require.Equal(t, lease.Expired, status(t, s, "a"))
	late := now(t, s)
	c.step(-time.Hour)
	require.Equal(t, late, now(t, s))
	require.Equal(t, lease.Expired, status(t, s, "a"))
	c.pass(2 * time.Hour)
	require.Equal(t, late.Add(time.Hour), now(t, s))
}

// Dates for people follow the wall clock, and are one lease's from answer to
// answer: they do not shiver with what two clocks are apart.
func TestDatesForPeople(t *testing.T) {
	c := newClocks()
	s := c.open(t, newPath(t), "boot")
	at := c.wall.Add(-c.boot).UnixMilli()
	dates := func() time.Duration {
		now := s.clock.read()
		return s.clock.shift(now.wall, s.clock.clock(origin{boot: "boot", at: at}, now))
	}
	require.Zero(t, dates())
	c.step(time.Hour)
	require.Equal(t, time.Hour, dates())
	c.step(300 * time.Millisecond)
	require.Equal(t, time.Hour, dates())
	c.step(-time.Hour - 300*time.Millisecond)
	require.Zero(t, dates())

	// Everything that is told in one answer is shifted alike.
	grant(t, s, "a", time.Minute)
	c.step(time.Hour)
	page, err := s.List(t.Context(), lease.Query{ID: "a"}, "")
	require.NoError(t, err)
	require.Equal(t, c.wall.UnixMilli(), page.Now.UnixMilli())
	require.Equal(t, time.Minute, page.Leases[0].ExpiresAt.Sub(page.Now))
	require.Equal(t, page.Now, page.Leases[0].GrantedAt)
	events, err := s.Events(t.Context(), backend.EventsArgs{Limit: 10})
	require.NoError(t, err)
	require.Equal(t, page.Now, events.Events[0].At)
	require.Equal(t, page.Leases[0].ExpiresAt, events.Events[0].Lease.ExpiresAt)
	stats, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, page.Now, stats.Now)
	reply, err := s.Acquire(t.Context(), backend.AcquireArgs{
		Request: lease.Request{ID: "a", Holder: "h", Claims: []lease.Claim{{Path: "a"}}, TTL: time.Minute, MaxRenewals: lease.Unlimited},
		Attempt: "a", ConfigVersion: 1,
	})
	require.NoError(t, err)
	require.Equal(t, page.Leases[0].ExpiresAt, reply.Lease.ExpiresAt)
	require.Equal(t, c.wall.Add(-time.Hour).UnixMilli(), reply.Now.UnixMilli(), "the engine counts by the store's clock")
}

// A look that is held up for a second shows no lease as over that was renewed all
// the time.
func TestRenewedWhileItIsLookedAt(t *testing.T) {
	c, path := newClocks(), newPath(t)
	other := c.open(t, path, "boot")
	grant(t, other, "a", time.Second)
	page, err := other.List(t.Context(), lease.Query{ID: "a"}, "")
	require.NoError(t, err)
	m, held := c.machine("boot"), false
	boot := m.boot
	m.boot = func() time.Duration {
		for renewals := 0; held && renewals < 10; renewals++ {
			c.pass(100 * time.Millisecond)
			reply, err := other.Renew(t.Context(), backend.RenewArgs{Ref: page.Leases[0].Ref(), Op: string(lease.NewID()), MaxTTL: time.Hour, ConfigVersion: 1})
			require.NoError(t, err)
			require.Equal(t, backend.Done, reply.Outcome)
		}
		held = false
		return boot()
	}
	s, err := openOn(t.Context(), m, path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	held = true
	require.Equal(t, lease.Active, status(t, s, "a"))
	require.False(t, held)
}
