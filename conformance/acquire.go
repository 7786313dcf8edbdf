package conformance

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// acquireCases: what a try grants, and what the lease says of itself.
var acquireCases = []testCase{
	{"Acquire/FreePath", "a path that nobody holds is granted at once, with a token and an expiry", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.ID, r.MaxRenewals, r.Priority = "first", 3, 7
		l := h.acquire(h.M, r)
		require.NotZero(h, l.Token)
		require.True(h, l.Valid())
		require.Equal(h, r.ID, l.ID)
		require.Equal(h, "a", l.Holder)
		require.Equal(h, r.Claims, l.Claims)
		require.Equal(h, []int{0, 3, 7}, []int{l.Renewals, l.MaxRenewals, l.Priority})
		require.Equal(h, l.CreatedAt, l.GrantedAt)
		require.Zero(h, l.Waited)
		require.Empty(h, l.EndReason)
		require.Empty(h, l.Replaced)
		require.Equal(h, []lease.Kind{lease.KindGranted}, h.kinds(l.ID))
	}},
	{"Acquire/HeldPath", "a path held exclusively is refused to another holder, who learns who is in the way, what clashed, and until when", func(h *harness) {
		held := h.hold("a", lease.Paths("e", "f"))
		conflict := h.denied("b", lease.SharedPaths("f", "g"))
		require.Equal(h, 1, conflict.Count)
		require.Zero(h, conflict.Position)
		require.Equal(h, []lease.Blocker{{
			ID: held.ID, Holder: "a", Asked: lease.SharedPaths("f")[0], Held: lease.Paths("f")[0],
			Claims: held.Claims, ExpiresAt: held.ExpiresAt,
		}}, conflict.Blockers)
		require.Greater(h, conflict.RetryAfter, held.TTL/2)
		require.LessOrEqual(h, conflict.RetryAfter, held.TTL+resolution)
	}},
	{"Acquire/RefusalLeavesNothing", "a refused try keeps no place, and its ID may be asked for anew", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.ID = "again"
		h.refused(h.M, r)
		h.counts(1, 0)
		_, err := h.M.Get(h.Context(), r.ID)
		h.lost(err, lease.ErrNotFound)
		h.release(held)
		h.acquire(h.M, r)
	}},
	{"Acquire/ExpiredNeverBlocks", "the first try after the TTL has passed is granted, with nothing sweeping", func(h *harness) {
		h.set(func(c *lease.Config) { c.AutoSweep = false })
		l := h.brief("a", lease.Paths("f"), 4)
		h.denied("b", lease.Paths("f"))
		h.expire(l)
		next := h.hold("b", lease.Paths("f"))
		require.Greater(h, next.Token, l.Token)
	}},
	{"Acquire/ShortestTTL", "the shortest TTL is kept: not rounded to nothing, and not to a second", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.TTL = lease.MinTTL
		l := h.acquire(h.M, r)
		require.Equal(h, lease.MinTTL, l.TTL)
		h.expire(l)
		h.hold("b", lease.Paths("f"))
	}},
	{"Acquire/TTLRoundedUp", "a TTL between two milliseconds is rounded up, and the expiry reported is never earlier than asked", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.TTL = time.Second + time.Nanosecond
		h.pass(333 * time.Microsecond) // grants fall between milliseconds too
		l := h.acquire(h.M, r)
		require.Equal(h, time.Second+time.Millisecond, l.TTL)
		lasts := l.ExpiresAt.Sub(l.GrantedAt)
		require.GreaterOrEqual(h, lasts, l.TTL)
		require.LessOrEqual(h, lasts, l.TTL+resolution)
		require.LessOrEqual(h, l.Remaining(), l.TTL-lease.Margin(l.TTL)+resolution)
	}},
	{"Acquire/Defaults", "what a request leaves out is filled in from the configuration", func(h *harness) {
		h.set(func(c *lease.Config) { c.DefaultTTL, c.MaxRenewals = 90*time.Second, 4 })
		l := h.acquire(h.M, lease.Request{Holder: "a", Claims: lease.Paths("f")})
		require.Equal(h, 90*time.Second, l.TTL)
		require.Equal(h, 4, l.MaxRenewals)
		require.NotEmpty(h, l.ID)
	}},
	{"Acquire/Labels", "labels come back as they were given, whatever is in them", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.Labels = map[string]string{"branch": "main", "empty": "", "quoted \"'`\\": "a|b\r\n\tc,%_", "ключ": "\u00e9 e\u0301 🔒"}
		l := h.acquire(h.M, r)
		require.Equal(h, r.Labels, l.Labels)
		require.Equal(h, r.Labels, h.get(l.ID).Labels)
	}},
	{"Acquire/AnotherHandle", "what one handle granted holds for all, and they see the same lease", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		other := h.open()
		h.refused(other, h.request("b", lease.Paths("f")))
		seen, err := other.Get(h.Context(), l.ID)
		require.NoError(h, err)
		require.Equal(h, l.Token, seen.Token)
		require.Equal(h, l.ExpiresAt, seen.ExpiresAt)
	}},
	{"Acquire/Reentry", "a holder may take the same path again: each grant is a lease of its own, with a newer token", func(h *harness) {
		first := h.hold("a", lease.Paths("f"))
		second := h.hold("a", lease.Paths("f"))
		require.NotEqual(h, first.ID, second.ID)
		require.Greater(h, second.Token, first.Token)
		h.counts(2, 0)
	}},
	{"Acquire/ReentryReleasedOneByOne", "releasing one of a holder's leases never frees another", func(h *harness) {
		first, second, shared := h.hold("a", lease.Paths("f")), h.hold("a", lease.Trees("/")), h.hold("a", lease.SharedPaths("f"))
		h.release(second)
		h.denied("b", lease.SharedPaths("f"))
		h.release(first)
		h.denied("b", lease.Paths("f"))
		h.release(shared)
		h.hold("b", lease.Paths("f"))
	}},
	{"Acquire/Distinct", "a distinct request is kept out by its own holder's leases too, and keeps out a distinct one", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		r := h.request("a", lease.Paths("f"))
		r.Distinct = true
		require.Equal(h, "a", h.refused(h.M, r).Blockers[0].Holder)
		r.Claims = lease.Paths("g")
		h.acquire(h.M, r)
		h.refused(h.M, r)
	}},
	{"Acquire/DistinctIsTheNewerOnes", "a request that is not distinct passes its own holder's distinct lease", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.Distinct = true
		h.acquire(h.M, r)
		h.hold("a", lease.Paths("f"))
		h.denied("b", lease.Paths("f"))
	}},
	{"Acquire/BlockersCapped", "a conflict lists a bounded number of blockers and counts the rest", func(h *harness) {
		const readers = lease.MaxBlockers + 4
		for i := range readers {
			h.hold(fmt.Sprint("r", i), lease.SharedPaths("f"))
		}
		conflict := h.denied("w", lease.Paths("f"))
		require.Len(h, conflict.Blockers, lease.MaxBlockers)
		require.Equal(h, readers, conflict.Count)
		require.Equal(h, "r0", conflict.Blockers[0].Holder)
	}},
	{"Acquire/CountCapped", "counting blockers stops at a bound, so a crowd costs no more", func(h *harness) {
		for i := range lease.MaxContention + 3 {
			h.hold(fmt.Sprint("r", i), lease.SharedPaths("f"))
		}
		require.Equal(h, lease.MaxContention, h.denied("w", lease.Paths("f")).Count)
	}},
	{"Acquire/BlockedTwiceByOne", "a lease that clashes with several of the claims is one blocker", func(h *harness) {
		h.hold("a", lease.Paths("e", "f", "g"))
		conflict := h.denied("b", lease.Paths("e", "f", "g"))
		require.Equal(h, 1, conflict.Count)
		require.Len(h, conflict.Blockers, 1)
	}},
	{"Acquire/RetryAfterTheLatest", "RetryAfter is the latest end among the blockers: before it time alone frees nothing", func(h *harness) {
		h.brief("a", lease.SharedPaths("f"), 20)
		h.brief("b", lease.SharedPaths("f"), 40)
		h.brief("c", lease.SharedPaths("f"), 30)
		after := h.denied("d", lease.Paths("f")).RetryAfter
		require.Greater(h, after, h.units(30))
		require.LessOrEqual(h, after, h.units(40)+resolution)
	}},
}
