package conformance

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// configCases: every setting, changed through one handle while the namespace is
// in use, has its effect on the next call through another. Those about history,
// sweeping and remembering are with the cases of these.
var configCases = []testCase{
	{"Config/Default", "a new namespace has the default configuration, as version 1", func(h *harness) {
		want := lease.DefaultConfig()
		want.Version = 1
		c, err := h.M.Config(h.Context())
		require.NoError(h, err)
		require.Equal(h, want, c)
	}},
	{"Config/Kept", "every field is kept as it was set, for all handles, and the version rises", func(h *harness) {
		h.gaps = true
		other := h.open()
		c, err := other.Config(h.Context())
		require.NoError(h, err)
		want := lease.Config{
			Version: c.Version + 1, DefaultTTL: 2 * time.Hour, KeepTTL: 45 * time.Second, MaxTTL: 30 * time.Hour, MaxRenewals: 7,
			AcquireTimeout: lease.NoTimeout, WaiterTTL: 9 * time.Second, SweepInterval: 4 * time.Minute,
			AutoSweep: false, Blocking: false, History: false, HistoryRenewals: false,
			HistoryRetention: 40 * 24 * time.Hour, HistoryMaxEvents: 12345, EndedRetention: 11 * time.Minute,
			EndedMax: 99, PriorityBoost: 1234 * time.Millisecond, DeadlockCheck: false, MaxLeasesPerHolder: 17,
		}
		next := want
		next.Version = c.Version
		set, err := h.M.SetConfig(h.Context(), next)
		require.NoError(h, err)
		require.Equal(h, want, set)
		c, err = other.Config(h.Context())
		require.NoError(h, err)
		require.Equal(h, want, c)
	}},
	{"Config/Version", "who sets a configuration that somebody else has changed meanwhile is told so, and changes nothing", func(h *harness) {
		stale, err := h.M.Config(h.Context())
		require.NoError(h, err)
		h.set(func(c *lease.Config) { c.DefaultTTL = time.Minute })
		before := h.stats().Head
		for _, version := range []uint64{stale.Version, 0, stale.Version + 2} {
			stale.Version = version
			_, err = h.M.SetConfig(h.Context(), stale)
			require.ErrorIs(h, err, lease.ErrVersion)
		}
		c, err := h.M.Config(h.Context())
		require.NoError(h, err)
		require.Equal(h, time.Minute, c.DefaultTTL)
		require.Equal(h, before, h.stats().Head)
	}},
	{"Config/Concurrent", "of changes at the same time none is lost", func(h *harness) {
		const n = 10
		managers := []lease.Manager{h.M, h.open(), h.open()}
		var wg sync.WaitGroup
		for i := range n {
			m := managers[i%len(managers)]
			wg.Go(func() {
				for err := lease.ErrVersion; err != nil; {
					var c lease.Config
					if c, err = m.Config(h.Context()); err == nil {
						c.HistoryMaxEvents += 1000
						_, err = m.SetConfig(h.Context(), c)
					}
					if h.Context().Err() != nil {
						h.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		c, err := h.M.Config(h.Context())
		require.NoError(h, err)
		require.Equal(h, n*1000, c.HistoryMaxEvents)
		require.Equal(h, uint64(n+1), c.Version)
	}},
	{"Config/Invalid", "a field out of range, or in contradiction to another, is invalid and named; nothing changes", func(h *harness) {
		for field, change := range map[string]func(*lease.Config){
			"default_ttl":           func(c *lease.Config) { c.DefaultTTL, c.MaxTTL = time.Hour, time.Minute },
			"keep_ttl":              func(c *lease.Config) { c.KeepTTL, c.DefaultTTL, c.MaxTTL = time.Hour, time.Minute, time.Minute },
			"max_ttl":               func(c *lease.Config) { c.MaxTTL = -1 },
			"max_renewals":          func(c *lease.Config) { c.MaxRenewals = 0 },
			"acquire_timeout":       func(c *lease.Config) { c.AcquireTimeout = 0 },
			"waiter_ttl":            func(c *lease.Config) { c.WaiterTTL = time.Millisecond },
			"sweep_interval":        func(c *lease.Config) { c.SweepInterval = 0 },
			"history_retention":     func(c *lease.Config) { c.HistoryRetention = time.Millisecond },
			"history_max_events":    func(c *lease.Config) { c.HistoryMaxEvents = -1 },
			"ended_retention":       func(c *lease.Config) { c.EndedRetention = lease.MinEndedRetention - 1 },
			"ended_max":             func(c *lease.Config) { c.EndedMax = -1 },
			"priority_boost":        func(c *lease.Config) { c.PriorityBoost = -1 },
			"max_leases_per_holder": func(c *lease.Config) { c.MaxLeasesPerHolder = -1 },
		} {
			c, err := h.M.Config(h.Context())
			require.NoError(h, err)
			bad := c
			change(&bad)
			_, err = h.M.SetConfig(h.Context(), bad)
			h.invalid(err, field)
			after, err := h.M.Config(h.Context())
			require.NoError(h, err)
			require.Equal(h, c, after)
		}
	}},
	{"Config/DefaultTTL", "default_ttl is the TTL of a request without one", func(h *harness) {
		m := h.inUse()
		h.set(func(c *lease.Config) { c.DefaultTTL = h.units(77) })
		l := h.acquire(m, lease.Request{Holder: "a", Claims: lease.Paths("f")})
		require.Equal(h, h.units(77), l.TTL)
		require.Equal(h, h.units(77), l.ExpiresAt.Sub(l.GrantedAt).Truncate(h.Unit))
	}},
	{"Config/KeepTTL", "keep_ttl is the TTL of a request that is to be kept renewed and has none of its own", func(h *harness) {
		m := h.inUse()
		h.set(func(c *lease.Config) { c.KeepTTL = h.units(77) })
		l := h.acquire(m, lease.Request{Holder: "a", Claims: lease.Paths("f"), TTL: lease.KeepTTL})
		require.Equal(h, h.units(77), l.TTL)
	}},
	{"Config/MaxTTL", "more than max_ttl is invalid and never shortened; running leases keep their terms, a renewal obeys", func(h *harness) {
		m := h.inUse()
		l := h.acquire(m, lease.Request{Holder: "a", Claims: lease.Paths("f"), TTL: h.units(600)})
		h.capTTL(h.units(300))
		_, err := m.TryAcquire(h.Context(), lease.Request{Holder: "a", Claims: lease.Paths("g"), TTL: h.units(301)})
		h.invalid(err, "ttl")
		_, err = m.Acquire(h.Context(), lease.Request{Holder: "a", Claims: lease.Paths("g"), TTL: h.units(301)})
		h.invalid(err, "ttl")
		h.acquire(m, lease.Request{Holder: "a", Claims: lease.Paths("g"), TTL: h.units(300)})
		for _, ttl := range []time.Duration{0, h.units(301)} {
			_, err = m.Renew(h.Context(), l.Ref(), ttl)
			h.invalid(err, "ttl")
		}
		h.sameLease(l, h.get(l.ID))
		_, err = m.Renew(h.Context(), l.Ref(), h.units(300))
		require.NoError(h, err)
	}},
	{"Config/MaxRenewals", "max_renewals is the limit of a request without one; running leases keep theirs", func(h *harness) {
		m := h.inUse()
		old := h.acquire(m, h.request("a", lease.Paths("f")))
		h.set(func(c *lease.Config) { c.MaxRenewals = 1 })
		l := h.acquire(m, h.request("a", lease.Paths("g")))
		require.Equal(h, 1, l.MaxRenewals)
		_, err := m.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		_, err = m.Renew(h.Context(), l.Ref(), 0)
		require.ErrorIs(h, err, lease.ErrRenewalLimit)
		for range 3 {
			_, err = m.Renew(h.Context(), old.Ref(), 0)
			require.NoError(h, err)
		}
	}},
	{"Config/AcquireTimeout", "acquire_timeout is how long a request waits that does not say", func(h *harness) {
		m := h.inUse()
		h.hold("a", lease.Paths("f"))
		h.set(func(c *lease.Config) { c.AcquireTimeout = h.units(3) })
		began := time.Now()
		w := h.wait(m, lease.Request{Holder: "b", Claims: lease.Paths("f"), TTL: h.units(600)})
		_ = w.failed(lease.ErrTimeout)
		require.WithinDuration(h, began.Add(h.units(3)), time.Now(), h.patience())
	}},
	{"Config/WaiterTTL", "waiter_ttl is how long a place lasts without being asked for, also one that is kept already", func(h *harness) {
		m := h.inUse()
		h.hold("a", lease.Paths("f"))
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(6) })
		early := h.wait(m, h.request("b", lease.Paths("f")))
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(600) })
		late := h.wait(m, h.request("c", lease.Paths("f")))
		lasts := func(w *waiting) time.Duration { return h.get(w.ID).ExpiresAt.Sub(h.stats().Now) }
		require.Greater(h, lasts(late), h.units(500))
		h.sleep(4) // a heartbeat of the early one, which now lasts as long
		require.Greater(h, lasts(early), h.units(500))
	}},
	{"Config/Blocking", "with blocking off nobody may wait, who waits is told so, and tries are as ever", func(h *harness) {
		m := h.inUse()
		h.hold("a", lease.Paths("f"))
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(6) })
		w := h.wait(m, h.request("b", lease.Paths("f")))
		h.set(func(c *lease.Config) { c.Blocking = false })
		h.sleep(4) // its heartbeat
		w.returns()
		_ = w.failed(lease.ErrDisabled)
		h.eventually("the waiter is gone", func() bool { return h.stats().Pending == 0 })
		_, err := m.Acquire(h.Context(), h.request("c", lease.Paths("f")))
		require.ErrorIs(h, err, lease.ErrDisabled)
		durable := h.request("d", lease.Paths("f"))
		durable.ID, durable.QueueTTL = "one", h.units(50)
		_, err = m.TryAcquire(h.Context(), durable)
		require.ErrorIs(h, err, lease.ErrDisabled)
		h.refused(m, h.request("e", lease.Paths("f")))
		h.acquire(m, h.request("e", lease.Paths("g")))
		h.counts(2, 0)
	}},
	{"Config/PriorityBoost", "priority_boost is what a priority is worth; who waits already keeps the place it was given", func(h *harness) {
		m := h.inUse()
		held := h.hold("a", lease.Paths("f"))
		urgent := h.request("c", lease.Paths("f"))
		urgent.Priority = 1
		h.set(func(c *lease.Config) { c.PriorityBoost = 0 })
		plain := h.wait(m, h.request("b", lease.Paths("f")))
		h.pass(resolution)
		worthless := h.wait(m, urgent)
		h.set(func(c *lease.Config) { c.PriorityBoost = time.Hour })
		urgent.Holder = "d"
		worthy := h.wait(m, urgent)
		h.release(held)
		for _, w := range []*waiting{worthy, plain, worthless} {
			h.release(w.soon())
		}
	}},
	{"Config/DeadlockCheck", "with deadlock_check off a deadlock is not looked for, and ends by its timeout", func(h *harness) {
		m := h.inUse()
		h.set(func(c *lease.Config) { c.DeadlockCheck = false })
		h.acquire(m, h.request("a", lease.Paths("f")))
		h.acquire(m, h.request("b", lease.Paths("g")))
		ctx, cancel := context.WithTimeout(h.Context(), time.Hour)
		defer cancel()
		first := h.wait(m, h.request("a", lease.Paths("g")))
		r := h.request("b", lease.Paths("f"))
		r.Timeout = h.units(3)
		_, err := m.Acquire(ctx, r)
		require.ErrorIs(h, err, lease.ErrTimeout)
		require.NotErrorIs(h, err, lease.ErrDeadlock)
		first.stillWaits()
	}},
	{"Config/MaxLeasesPerHolder", "max_leases_per_holder bounds a holder's leases and waiters together, when a request first arrives", func(h *harness) {
		m := h.inUse()
		other := h.hold("b", lease.Paths("g"))
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 2 })
		l := h.acquire(m, h.request("a", lease.Paths("f")))
		w := h.wait(m, h.request("a", lease.Paths("g")))
		w.stillWaits()
		_, err := m.TryAcquire(h.Context(), h.request("a", lease.Paths("h")))
		require.ErrorIs(h, err, lease.ErrQuota)
		var quota *lease.QuotaError
		require.ErrorAs(h, err, &quota)
		require.Equal(h, lease.QuotaError{Holder: "a", Limit: 2}, *quota)
		_, err = m.Acquire(h.Context(), h.request("a", lease.Paths("h")))
		require.ErrorIs(h, err, lease.ErrQuota)
		h.acquire(m, h.request("a1", lease.Paths("h")))

		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 1 })
		h.release(other)
		w.soon() // it had arrived before
		again := h.request("a", lease.Paths("f"))
		again.ID = l.ID
		require.Equal(h, l.Token, h.acquire(m, again).Token, "asking for what it has is nothing new")
		_, err = m.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
	}},
	{"Config/QuotaOfReplacing", "who replaces a lease of its own needs no room for one more, and who takes over another's does", func(h *harness) {
		own, more := h.hold("a", lease.Paths("f1")), h.hold("a", lease.Paths("f2"))
		other := h.hold("b", lease.Paths("g"))
		replacing := func(l lease.Lease) lease.Request {
			r := h.request("a", l.Claims)
			r.Replace = l.Ref()
			return r
		}
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 2 })
		_, err := h.M.TryAcquire(h.Context(), replacing(other))
		require.ErrorIs(h, err, lease.ErrQuota)
		own = h.acquire(h.M, replacing(own))
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 1 })
		_, err = h.M.TryAcquire(h.Context(), replacing(own))
		require.ErrorIs(h, err, lease.ErrQuota, "one of two is left, and one more is asked for")
		h.release(more)
		h.acquire(h.M, replacing(own))
	}},
	{"Config/QuotaOfTheLiving", "what has expired does not count against a holder, swept or not", func(h *harness) {
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder, c.AutoSweep = 2, false })
		for i := range 2 {
			h.brief("a", lease.Paths(fmt.Sprintf("f%d", i)), 2)
		}
		_, err := h.M.TryAcquire(h.Context(), h.request("a", lease.Paths("g")))
		require.ErrorIs(h, err, lease.ErrQuota)
		h.sleep(3)
		h.hold("a", lease.Paths("g"))
	}},
}

// inUse returns another handle that has read the configuration already, so that
// a change finds it with an old copy.
func (h *harness) inUse() lease.Manager {
	h.Helper()
	m := h.open()
	l := h.acquire(m, h.request("somebody", lease.Paths("elsewhere")))
	require.NoError(h, m.Release(h.Context(), l.Ref()))
	return m
}
