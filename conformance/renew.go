package conformance

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// renewCases: what a renewal moves, and what it refuses.
var renewCases = append([]testCase{
	{"Renew/Extends", "a renewal lasts a TTL from now, keeps the token, and counts", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 50)
		h.sleep(2)
		renewed, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.GreaterOrEqual(h, renewed.ExpiresAt.Sub(l.ExpiresAt), h.units(2)-resolution)
		require.Equal(h, l.Token, renewed.Token)
		require.Equal(h, 1, renewed.Renewals)
		require.True(h, renewed.UpdatedAt.After(l.UpdatedAt))
		require.Equal(h, l.GrantedAt, renewed.GrantedAt)
		require.Greater(h, renewed.Remaining(), h.units(49))
		require.Equal(h, renewed.ExpiresAt, h.get(l.ID).ExpiresAt)
	}},
	{"Renew/KeepsAlive", "a lease that is renewed in time outlives its TTL many times over", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 6)
		w := h.queue("b", lease.Paths("f"))
		for range 6 {
			h.sleep(2)
			renewed, err := h.M.Renew(h.Context(), l.Ref(), 0)
			require.NoError(h, err)
			require.True(h, renewed.Valid())
		}
		w.stillWaits()
		h.release(l)
		w.soon()
	}},
	{"Renew/NeverBackwards", "a renewal without a TTL of its own never moves the expiry backwards", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 50)
		long, err := h.M.Renew(h.Context(), l.Ref(), h.units(400))
		require.NoError(h, err)
		require.Equal(h, l.TTL, long.TTL, "the lease's own TTL stays")
		same, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, long.ExpiresAt, same.ExpiresAt)
		require.Equal(h, 2, same.Renewals)
	}},
	{"Renew/NeverBackwardsOften", "the same holds for the second such renewal and the third, and whatever is claimed", func(h *harness) {
		for i, claims := range [][]lease.Claim{
			lease.Paths("f"), lease.Paths("g", "h"), lease.Trees("t"), lease.SharedPaths("s"), lease.SharedTrees("u"),
		} {
			l := h.brief("a", claims, 50)
			_, err := h.M.Renew(h.Context(), l.Ref(), 0)
			require.NoError(h, err)
			long, err := h.M.Renew(h.Context(), l.Ref(), h.units(400))
			require.NoError(h, err)
			for n := range 3 {
				same, err := h.M.Renew(h.Context(), l.Ref(), 0)
				require.NoError(h, err)
				require.Equal(h, long.ExpiresAt, same.ExpiresAt, "renewal %d of %v", n, claims)
			}
			require.Equal(h, 5, h.get(l.ID).Renewals, "%d", i)
		}
	}},
	{"Renew/ShorterWhenAsked", "a renewal with a shorter TTL moves the expiry forward", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		shorter, err := h.M.Renew(h.Context(), l.Ref(), h.units(2))
		require.NoError(h, err)
		require.True(h, shorter.ExpiresAt.Before(l.ExpiresAt))
		h.pass(h.units(2) + resolution)
		h.hold("b", lease.Paths("f"))
	}},
	{"Renew/ByAnotherHandle", "a lease is renewed by its Ref, on whatever handle", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		_, err := h.open().Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		_, err = h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, 2, h.get(l.ID).Renewals)
	}},
	{"Renew/Limit", "a lease is renewed as often as MaxRenewals says, and the refusal does not end it", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.MaxRenewals = 2
		l := h.acquire(h.M, r)
		for range 2 {
			_, err := h.M.Renew(h.Context(), l.Ref(), 0)
			require.NoError(h, err)
		}
		_, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.ErrorIs(h, err, lease.ErrRenewalLimit)
		require.NotErrorIs(h, err, lease.ErrLost)
		require.Equal(h, 2, h.get(l.ID).Renewals)
		h.denied("b", lease.Paths("f"))
	}},
	{"Renew/LimitAtOnce", "of twenty renewals at once of a lease that has five exactly five succeed", func(h *harness) {
		managers := []lease.Manager{h.M, h.open(), h.open()}
		r := h.request("a", lease.Paths("f"))
		r.MaxRenewals = 5
		l := h.acquire(h.M, r)
		var renewed, refused atomic.Int32
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				switch _, err := managers[i%len(managers)].Renew(h.Context(), l.Ref(), 0); {
				case err == nil:
					renewed.Add(1)
				case errors.Is(err, lease.ErrRenewalLimit):
					refused.Add(1)
				}
			})
		}
		all.Wait()
		require.Equal(h, [2]int32{5, 15}, [2]int32{renewed.Load(), refused.Load()})
	}},
	{"Renew/NoRenewals", "a lease with NoRenewals is never renewed, and lasts its TTL", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.MaxRenewals, r.TTL = lease.NoRenewals, h.units(5)
		l := h.acquire(h.M, r)
		_, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.ErrorIs(h, err, lease.ErrRenewalLimit)
		h.denied("b", lease.Paths("f"))
		h.expire(l)
		h.hold("b", lease.Paths("f"))
	}},
	{"Renew/Unlimited", "a lease with Unlimited renewals has no limit, whatever the configuration says", func(h *harness) {
		h.set(func(c *lease.Config) { c.MaxRenewals = 1 })
		r := h.request("a", lease.Paths("f"))
		r.MaxRenewals = lease.Unlimited
		l := h.acquire(h.M, r)
		for range 4 {
			_, err := h.M.Renew(h.Context(), l.Ref(), 0)
			require.NoError(h, err)
		}
	}},
	{"Renew/WrongRef", "a Ref with another holder or token renews nothing", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		other := h.hold("b", lease.Paths("g"))
		for _, ref := range []lease.Ref{
			{ID: l.ID, Holder: "b", Token: l.Token},
			{ID: l.ID, Holder: "a", Token: l.Token + 1},
			{ID: l.ID, Holder: "a", Token: l.Token - 1},
			{ID: l.ID, Holder: "a", Token: other.Token},
		} {
			_, err := h.M.Renew(h.Context(), ref, 0)
			h.lost(err, lease.ErrNotHolder)
		}
		require.Zero(h, h.get(l.ID).Renewals)
	}},
	{"Renew/Unknown", "a lease that nobody ever had is not found", func(h *harness) {
		_, err := h.M.Renew(h.Context(), lease.Ref{ID: "no such", Holder: "a", Token: 1}, 0)
		h.lost(err, lease.ErrNotFound)
		h.counts(0, 0)
	}},
	{"Renew/AfterAnotherTookIt", "a lease that was released and taken by another stays theirs", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		h.release(l)
		next := h.hold("b", lease.Paths("f"))
		_, err := h.M.Renew(h.Context(), l.Ref(), 0)
		h.lost(err, lease.ErrReleased)
		require.Equal(h, lease.Active, h.get(next.ID).Status)
		h.counts(1, 0)
	}},
	{"Renew/LongAfter", "once an end is forgotten its lease is not found", func(h *harness) {
		h.set(func(c *lease.Config) { c.EndedRetention = lease.MinEndedRetention })
		l := h.hold("a", lease.Paths("f"))
		h.release(l)
		h.pass(lease.MinEndedRetention + h.doubt())
		_, err := h.M.Renew(h.Context(), l.Ref(), 0)
		h.lost(err, lease.ErrNotFound)
	}},
	{"Renew/Contention", "a renewal tells who waits: how many, since when, and how urgent", func(h *harness) {
		l := h.hold("a", append(lease.Trees("d"), lease.Paths("f")...))
		renewed, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Zero(h, renewed.Contention)
		r := h.request("b", lease.Paths("d/x", "f")) // waits for both claims, and is one waiter
		r.Priority = -3
		first := h.wait(h.M, r)
		h.sleep(1)
		r = h.request("c", lease.Paths("d/y"))
		r.Priority = 2
		h.wait(h.M, r)
		h.queue("d", lease.SharedPaths("g")) // is granted: waits for nothing
		renewed, err = h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, lease.Contention{Waiters: 2, Since: h.get(first.ID).CreatedAt, Priority: 2}, renewed.Contention)
		require.Equal(h, renewed.Contention, h.get(l.ID).Contention)
	}},
	{"Renew/ContentionBelowZero", "the most urgent of those who wait is told, if all of them have a priority below zero, too", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		for _, priority := range []int{-7, -3, -5} {
			h.urgent(fmt.Sprint("h", priority), priority)
		}
		require.Equal(h, -3, h.get(l.ID).Contention.Priority)
	}},
	{"Renew/ContentionOfOthers", "the holder's own waiters do not wait for it, except distinct ones, and dead ones do not wait", func(h *harness) {
		d := h.direct()
		l := h.hold("a", lease.Paths("f"))
		h.hold("b", lease.Paths("g"))
		h.queue("a", lease.Paths("f", "g"))
		d.queued(h.request("dead", lease.Paths("f")), "dead", h.units(2))
		h.pass(h.units(2) + resolution)
		require.Zero(h, h.get(l.ID).Contention)
		r := h.request("a", lease.Paths("f"))
		r.Distinct = true
		h.wait(h.M, r)
		renewed, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, 1, renewed.Contention.Waiters)
	}},
	{"Renew/ContentionUnderIt", "who waits under a lease does not wait for it, nor does who would replace it", func(h *harness) {
		parent := h.hold("a", lease.Trees("d"))
		h.acquire(h.M, h.under(parent, "b", lease.Paths("d/x")))
		h.wait(h.M, h.under(parent, "c", lease.Paths("d/x"))).stillWaits()
		upgrade := h.request("a", lease.Trees("d"))
		upgrade.Replace = parent.Ref()
		h.wait(h.M, upgrade).stillWaits()
		require.Zero(h, h.get(parent.ID).Contention)
		h.queue("e", lease.Paths("d/y"))
		require.Equal(h, 1, h.get(parent.ID).Contention.Waiters)
	}},
	{"Renew/ContentionCapped", "counting who waits stops at a bound", func(h *harness) {
		d := h.direct()
		l := h.hold("a", lease.Paths("f"))
		for i := range lease.MaxContention + 2 {
			d.queued(h.request(fmt.Sprint("h", i), lease.Paths("f")), fmt.Sprint("try", i), h.units(600))
		}
		renewed, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, lease.MaxContention, renewed.Contention.Waiters)
	}},
	{"Renew/Cap", "a renewal obeys a cap that came after the grant: more is invalid, never clamped", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		limit := h.units(300)
		h.capTTL(limit)
		_, err := h.M.Renew(h.Context(), l.Ref(), 0) // its own TTL is more
		h.invalid(err, "ttl")
		_, err = h.M.Renew(h.Context(), l.Ref(), limit+time.Millisecond)
		h.invalid(err, "ttl")
		require.Equal(h, l.ExpiresAt, h.get(l.ID).ExpiresAt)
		renewed, err := h.M.Renew(h.Context(), l.Ref(), limit)
		require.NoError(h, err)
		require.Equal(h, 1, renewed.Renewals)
	}},
	{"Renew/Repeated", "a renewal that arrives twice counts once, and a new one counts", func(h *harness) {
		d := h.direct()
		r := h.request("a", lease.Paths("f"))
		r.MaxRenewals = 2
		l := h.acquire(h.M, r)
		reply, err := d.Config(h.Context())
		require.NoError(h, err)
		args := backend.RenewArgs{Ref: l.Ref(), TTL: h.units(700), MaxTTL: lease.MaxTTL, Op: "op 1", ConfigVersion: reply.Config.Version}
		first, err := d.Renew(h.Context(), args)
		require.NoError(h, err)
		h.sleep(1)
		again, err := d.Renew(h.Context(), args)
		require.NoError(h, err)
		require.Equal(h, backend.Done, again.Outcome)
		require.Equal(h, 1, again.Lease.Renewals)
		require.Equal(h, first.Lease.ExpiresAt, again.Lease.ExpiresAt)
		require.Less(h, again.Remaining, first.Remaining)
		args.Op = "op 2"
		_, err = d.Renew(h.Context(), args)
		require.NoError(h, err)
		again, err = d.Renew(h.Context(), args) // at the limit, and yet a repeat is no third one
		require.NoError(h, err)
		require.Equal(h, backend.Done, again.Outcome)
		require.Equal(h, 2, again.Lease.Renewals)
		args.Op = "op 3"
		refused, err := d.Renew(h.Context(), args)
		require.NoError(h, err)
		require.Equal(h, backend.LimitHit, refused.Outcome)
	}},
	{"Renew/LatestEndHolds", "waiters go by the expiry as renewed, not by the one they first saw", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 5)
		w := h.queue("b", lease.Paths("f"))
		renewed, err := h.M.Renew(h.Context(), l.Ref(), h.units(8))
		require.NoError(h, err)
		got := w.granted()
		require.False(h, got.GrantedAt.Before(renewed.ExpiresAt))
		require.Less(h, got.GrantedAt.Sub(renewed.ExpiresAt), h.patience())
	}},
}, forEachEnd("Renew/After", "what has ended is not renewed, even if the path is still free, and the holder learns how it ended", func(h *harness, e end) {
	l := h.brief("a", lease.Paths("f"), 5)
	e.make(h, l)
	before := h.get(l.ID)
	_, err := h.M.Renew(h.Context(), l.Ref(), h.units(600))
	e.check(h, l, err)
	after := h.get(l.ID)
	require.Equal(h, before.Status, after.Status)
	require.Equal(h, before.ExpiresAt, after.ExpiresAt)
	require.Zero(h, after.Renewals)
})...)
