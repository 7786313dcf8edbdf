package conformance

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// repeatedCases: calls that arrive late, or again, whatever was forgotten
// meanwhile.
var repeatedCases = []testCase{
	{"Repeated/NotAfter", "an ask past its NotAfter, by the store's clock, does nothing", func(h *harness) {
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "one", 0)
		reply, err := d.Config(h.Context())
		require.NoError(h, err)
		a.NotAfter = reply.Now.Add(h.units(1))
		h.sleep(2)
		late, err := d.Acquire(h.Context(), a)
		require.NoError(h, err)
		require.Equal(h, backend.Late, late.Outcome)
		require.True(h, late.Now.After(a.NotAfter))
		require.Empty(h, h.events(lease.Query{ID: a.Request.ID}))
		a.NotAfter = late.Now.Add(h.units(100))
		require.Equal(h, backend.Done, d.ask(a).Outcome)
	}},
	{"Repeated/Now", "every reply about an ask, a renewal or the configuration tells the store's clock", func(h *harness) {
		d := h.direct()
		config, err := d.Config(h.Context())
		require.NoError(h, err)
		a := d.args(h.request("a", lease.Paths("f")), "one", 0)
		granted := d.ask(a)
		refused := d.ask(d.args(h.request("b", lease.Paths("f")), "two", 0))
		renewed, err := d.Renew(h.Context(), backend.RenewArgs{
			Ref: granted.Lease.Ref(), MaxTTL: lease.MaxTTL, Op: "op", ConfigVersion: a.ConfigVersion,
		})
		require.NoError(h, err)
		last := config.Now
		for _, now := range []backend.AcquireReply{granted, refused, {Now: renewed.Now}} {
			require.False(h, now.Now.Before(last))
			require.Less(h, now.Now.Sub(last), h.doubt())
			last = now.Now
		}
		require.Equal(h, granted.Remaining, granted.Lease.ExpiresAt.Sub(granted.Now))
	}},
	{"Repeated/RenewalOvertaken", "a copy of a renewal that arrives after a later one neither counts nor moves the expiry, and is told so", func(h *harness) {
		d := h.direct()
		l := h.hold("a", lease.Paths("f"))
		config, err := d.Config(h.Context())
		require.NoError(h, err)
		renew := func(op string, n int) backend.RenewReply {
			reply, err := d.Renew(h.Context(), backend.RenewArgs{
				Ref: l.Ref(), TTL: h.units(n), MaxTTL: lease.MaxTTL, Op: op, ConfigVersion: config.Config.Version,
			})
			require.NoError(h, err)
			return reply
		}
		first := renew("op 1", 100)
		require.Equal(h, backend.Done, first.Outcome)
		second := renew("op 2", 900)
		require.Equal(h, backend.Done, second.Outcome)
		h.sleep(1)
		late := renew("op 1", 100)
		require.Equal(h, backend.Overtaken, late.Outcome)
		require.Equal(h, "op 2", late.Op)
		require.Equal(h, second.Lease.ExpiresAt, late.Lease.ExpiresAt)
		now := h.get(l.ID)
		require.Equal(h, second.Lease.ExpiresAt, now.ExpiresAt)
		require.Equal(h, 2, now.Renewals)
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindRenewed, lease.KindRenewed}, h.kinds(l.ID))
		require.Equal(h, backend.Done, renew("op 3", 100).Outcome, "a later one may shorten")
	}},
	{"Repeated/EndsAreSpared", "whatever ended_max says, an end of the last two minutes is remembered: a late copy of its ask is not granted, a repeated Release is told nothing went wrong", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.EndedMax, c.EndedRetention = 0, lease.MinEndedRetention })
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "one", 0)
		granted := d.ask(a)
		h.release(granted.Lease)
		for i := range 20 {
			h.release(h.hold("b", lease.Paths(fmt.Sprintf("g%d", i))))
		}
		h.pass(resolution)
		h.sweep()
		require.Equal(h, backend.Gone, d.ask(a).Outcome)
		require.NoError(h, h.M.Release(h.Context(), granted.Lease.Ref()))
		h.pass(lease.MinEndedRetention + h.doubt())
		h.sweep()
		require.Empty(h, h.ids(lease.Query{Status: []lease.Status{lease.Released}}))
	}},
	{"Repeated/TombstonesAreSpared", "nor is a withdrawal of the last two minutes forgotten, however many others there are", func(h *harness) {
		h.set(func(c *lease.Config) { c.EndedMax, c.EndedRetention = 0, lease.MinEndedRetention })
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "one", 0)
		d.withdraw(a)
		for i := range 50 {
			d.withdraw(d.args(h.request("b", lease.Paths("g")), fmt.Sprintf("other %d", i), 0))
		}
		h.sweep()
		require.Equal(h, backend.Withdrawn, d.ask(a).Outcome)
	}},
	{"Repeated/IDInUseIsNotSwept", "a fixed ID that is used again after its end was forgotten is not swept away with the old one", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.EndedRetention = lease.MinEndedRetention })
		r := h.request("a", lease.Paths("f"))
		r.ID, r.TTL = "fixed", lease.MaxTTL
		h.release(h.acquire(h.M, r))
		h.pass(lease.MinEndedRetention + h.doubt())
		l := h.acquire(h.M, r)
		h.sweep()
		require.Equal(h, l.Token, h.get("fixed").Token)
		h.denied("b", lease.Paths("f"))
	}},
	{"Repeated/NoRetentionBesideAMaximum", "a retention of 0 means for ever: beside a maximum of events it empties nothing", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.HistoryRetention, c.HistoryMaxEvents = 0, 1000 })
		l := h.hold("a", lease.Paths("f"))
		h.release(l)
		h.pass(resolution)
		h.sweep()
		require.Len(h, h.kinds(l.ID), 2)
	}},
	{"Repeated/NoMaximumBesideARetention", "a maximum of 0 events means none: beside a retention it empties nothing", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.HistoryRetention, c.HistoryMaxEvents = lease.MaxTTL, 0 })
		l := h.hold("a", lease.Paths("f"))
		h.release(l)
		h.pass(resolution)
		h.sweep()
		require.Len(h, h.kinds(l.ID), 2)
	}},
}
