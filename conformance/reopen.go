package conformance

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

const reopenGroup = "Reopen/"

// reopenCases: what must be there after the process has ended and was started
// again. Only stores whose fixture has a Reopen run them.
var reopenCases = []testCase{
	{"Reopen/Leases", "a lease is what it was after the store was reopened: it excludes others, is renewed and released by its Ref", func(h *harness) {
		r := h.request("a", []lease.Claim{{Path: "d", Mode: lease.Shared, Scope: lease.Tree}, {Path: "f"}})
		r.ID, r.MaxRenewals, r.Priority, r.Distinct, r.Labels = "mine", 3, 7, true, map[string]string{"branch": "main", "empty": ""}
		l := h.acquire(h.M, r)
		renewed, err := h.M.Renew(h.Context(), l.Ref(), h.units(700))
		require.NoError(h, err)
		before := h.get(l.ID)
		h.reopen()
		h.sameLease(before, h.get(l.ID))
		h.counts(1, 0)
		h.denied("b", lease.Paths("f"))
		h.denied("b", lease.Paths("d/x"))
		h.hold("b", lease.SharedPaths("d/x"))
		h.lost(h.M.Release(h.Context(), lease.Ref{ID: l.ID, Holder: "b", Token: l.Token}), lease.ErrNotHolder)
		again, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, renewed.Renewals+1, again.Renewals)
		h.release(l)
		h.hold("b", lease.Paths("f"))
	}},
	{"Reopen/Ends", "how a lease ended is told after the store was reopened, and its ID is not granted again", func(h *harness) {
		h.manualSweep()
		kept := make([]lease.Lease, len(ends))
		for i, e := range ends {
			r := h.request(e.name, lease.Paths(e.name))
			r.ID, r.TTL = lease.ID(e.name), h.units(4)
			kept[i] = h.acquire(h.M, r)
			e.make(h, kept[i])
		}
		h.reopen()
		for i, e := range ends {
			_, err := h.M.Renew(h.Context(), kept[i].Ref(), 0)
			e.check(h, kept[i], err)
			r := h.request(e.name, lease.Paths(e.name))
			r.ID, r.TTL = lease.ID(e.name), h.units(4)
			_, err = h.M.TryAcquire(h.Context(), r)
			e.check(h, kept[i], err)
		}
		require.NoError(h, h.M.Release(h.Context(), kept[1].Ref()), "a repeated release")
	}},
	{"Reopen/Queue", "the queue keeps its order, priorities and arrivals, and newcomers stand behind it", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		for n, holder := range []string{"second", "third", "first"} {
			r := h.placed(holder, 500)
			if n == 2 {
				r.Priority = 50
			}
			h.refused(h.M, r)
		}
		before := h.get("third")
		h.reopen()
		h.sameLease(before, h.get("third"))
		h.counts(1, 3)
		require.Equal(h, 4, h.refused(h.M, h.placed("last", 500)).Position)
		require.Equal(h, []lease.ID{"second", "third", "first", "last"}, h.ids(lease.Query{Status: []lease.Status{lease.Pending}}))
		h.release(held)
		for _, holder := range []string{"first", "second", "third", "last"} {
			h.denied("newcomer", lease.Paths("f"))
			r := h.placed(holder, 500)
			if holder == "first" {
				r.Priority = 50
			}
			h.release(h.acquire(h.M, r))
		}
	}},
	{"Reopen/Tombstones", "a late copy of an attempt that was withdrawn before the store was reopened is not granted", func(h *harness) {
		d := h.direct()
		never := d.args(h.request("a", lease.Paths("f")), "never came", 0)
		d.withdraw(never)
		queued := d.args(h.request("b", lease.Paths("g")), "waited", h.units(500))
		h.hold("c", lease.Paths("g"))
		require.Equal(h, backend.Queued, d.ask(queued).Outcome)
		d.withdraw(queued)
		h.reopen()
		d = h.direct()
		require.Equal(h, backend.Withdrawn, d.ask(never).Outcome)
		require.Equal(h, backend.Withdrawn, d.ask(queued).Outcome)
		h.free("f")
		h.counts(1, 0)
	}},
	{"Reopen/Tokens", "tokens that were reserved before the store was reopened are never handed out, nor reserved again", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		before := h.reserve(held, lease.MaxTokenBlock)
		h.reopen()
		require.Greater(h, h.hold("b", lease.Paths("g")).Token, before.Last)
		require.Greater(h, h.reserve(held, 10).First, before.Last)
	}},
	{"Reopen/Attempts", "after the store was reopened a request is still taken back when the last of its attempts is withdrawn, and not before", func(h *harness) {
		h.hold("c", lease.Paths("f"))
		d := h.direct()
		one := d.args(h.request("a", lease.Paths("f")), "one", h.units(500))
		require.Equal(h, backend.Queued, d.ask(one).Outcome)
		two := one
		two.Attempt = "two"
		require.Equal(h, backend.Queued, d.ask(two).Outcome)
		h.reopen()
		d = h.direct()
		two.Again = true
		require.Equal(h, backend.Queued, d.ask(two).Outcome)
		d.withdraw(one)
		h.counts(1, 1)
		d.withdraw(two)
		h.counts(1, 0)
	}},
	{"Reopen/Configuration", "the configuration and its version are kept", func(h *harness) {
		h.set(func(c *lease.Config) {
			c.MaxTTL, c.DefaultTTL, c.WaiterTTL, c.HistoryMaxEvents = h.units(800), h.units(700), h.units(90), 77
			c.DeadlockCheck, c.AutoSweep, c.MaxLeasesPerHolder = false, false, 3
		})
		before, err := h.M.Config(h.Context())
		require.NoError(h, err)
		h.reopen()
		after, err := h.M.Config(h.Context())
		require.NoError(h, err)
		require.Equal(h, before, after)
		stale := after
		stale.Version--
		_, err = h.M.SetConfig(h.Context(), stale)
		require.ErrorIs(h, err, lease.ErrVersion)
	}},
	{"Reopen/History", "the history is the same, and goes on without a gap", func(h *harness) {
		for i := range 5 {
			l := h.hold("a", lease.Paths(fmt.Sprint("f", i)))
			_, err := h.M.Renew(h.Context(), l.Ref(), 0)
			require.NoError(h, err)
			h.release(l)
		}
		h.hold("b", lease.Paths("g"))
		h.force(lease.Query{Holder: "b"})
		before := h.events(lease.Query{})
		h.reopen()
		after := h.events(lease.Query{})
		require.Len(h, after, len(before))
		for i := range before {
			require.Equal(h, before[i].Seq, after[i].Seq)
			require.Equal(h, before[i].Kind, after[i].Kind)
			require.Equal(h, [2]string{before[i].Actor, before[i].Reason}, [2]string{after[i].Actor, after[i].Reason})
			h.sameTime(before[i].At, after[i].At)
			h.sameLease(before[i].Lease, after[i].Lease)
		}
		last := before[len(before)-1].Seq
		h.hold("c", lease.Paths("g"))
		next := h.only(lease.Query{After: last})
		require.Equal(h, last+1, next.Seq)
	}},
	{"Reopen/Counters", "tokens, places in the history and arrivals go on from where they were", func(h *harness) {
		first := h.hold("a", lease.Paths("f"))
		before := h.stats()
		h.reopen()
		after := h.stats()
		require.Equal(h, [3]uint64{uint64(before.Head), uint64(before.Oldest), uint64(before.Token)},
			[3]uint64{uint64(after.Head), uint64(after.Oldest), uint64(after.Token)})
		require.False(h, after.Now.Before(before.Now))
		second := h.hold("a", lease.Paths("g"))
		require.Greater(h, second.Token, first.Token)
		require.Equal(h, []lease.ID{first.ID, second.ID}, h.ids(lease.Query{Holder: "a"}))
	}},
	{"Reopen/RefusalCounts", "how many tries were refused is kept when the handles are closed", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		for range 5 {
			h.denied("b", lease.Paths("f"))
		}
		require.EqualValues(h, 5, h.stats().Refused)
		h.reopen()
		require.EqualValues(h, 5, h.stats().Refused)
		h.denied("b", lease.Paths("f"))
		require.EqualValues(h, 6, h.stats().Refused)
		h.hold("b", lease.Paths("g"))
		h.reopen()
		require.EqualValues(h, 6, h.stats().Refused)
	}},
	{"Reopen/TimeGoesOn", "a lease ends when it would have, whether the store was open meanwhile or not", func(h *harness) {
		h.manualSweep()
		over := h.brief("a", lease.Paths("f"), 8)
		lasting := h.brief("a", lease.Paths("g"), 40)
		before := h.stats().Now
		h.reopen()
		require.Equal(h, lease.Active, h.get(over.ID).Status)
		h.pass(h.units(12))
		h.reopen()
		require.GreaterOrEqual(h, h.stats().Now.Sub(before), h.units(12)-time.Millisecond)
		require.Equal(h, lease.Expired, h.get(over.ID).Status)
		h.hold("b", lease.Paths("f"))
		h.denied("b", lease.Paths("g"))
		h.pass(h.units(32))
		h.hold("b", lease.Paths("g"))
		e := h.only(lease.Query{ID: lasting.ID, Kinds: []lease.Kind{lease.KindExpired}})
		h.sameTime(lasting.ExpiresAt, e.At)
	}},
	{"Reopen/RepeatedCalls", "a copy of a renewal or of a ForceRelease that arrives after the store was reopened does nothing more", func(h *harness) {
		d := h.direct()
		l := h.hold("a", lease.Paths("f"))
		config, err := d.Config(h.Context())
		require.NoError(h, err)
		renewal := backend.RenewArgs{Ref: l.Ref(), TTL: h.units(100), MaxTTL: lease.MaxTTL, Op: "op 1", ConfigVersion: config.Config.Version}
		first, err := d.Renew(h.Context(), renewal)
		require.NoError(h, err)
		victim := h.hold("v", lease.Paths("g"))
		force := backend.ForceArgs{Query: lease.Query{Holder: "v"}, Revocation: lease.Revocation{Actor: "root"}, Op: "force 1"}
		forced, err := d.Force(h.Context(), force)
		require.NoError(h, err)
		require.Len(h, forced.Leases, 1)
		spared := h.hold("v", lease.Paths("i"))
		h.reopen()
		d = h.direct()
		again, err := d.Renew(h.Context(), renewal)
		require.NoError(h, err)
		require.Equal(h, backend.Done, again.Outcome)
		require.Equal(h, 1, again.Lease.Renewals)
		h.sameTime(first.Lease.ExpiresAt, again.Lease.ExpiresAt)
		forced, err = d.Force(h.Context(), force)
		require.NoError(h, err)
		require.Len(h, forced.Leases, 1)
		require.Equal(h, victim.ID, forced.Leases[0].ID)
		require.Equal(h, lease.Active, h.get(spared.ID).Status)
	}},
	{"Reopen/Subleases", "what lies under what is kept: a sub-lease within its parent, a waiting one ends with it", func(h *harness) {
		parent := h.hold("boss", lease.Trees("d"))
		child := h.acquire(h.M, h.under(parent, "one", lease.Trees("d/x")))
		r := h.under(child, "two", lease.Paths("d/x/f"))
		r.Distinct = true
		grandchild := h.acquire(h.M, r)
		waits := h.under(parent, "three", lease.Paths("d/x/f"))
		waits.ID, waits.QueueTTL = "waits", h.units(500)
		h.refused(h.M, waits)
		h.reopen()
		require.Equal(h, parent.ID, h.get(child.ID).Parent)
		h.release(grandchild)
		h.acquire(h.M, h.under(child, "four", lease.Paths("d/x/g"))) // neither child nor parent is in its way
		_, err := h.M.Renew(h.Context(), child.Ref(), h.units(2000))
		require.NoError(h, err)
		require.False(h, h.get(child.ID).ExpiresAt.After(h.get(parent.ID).ExpiresAt))
		h.release(parent)
		require.Equal(h, lease.Failed, h.get(waits.ID).Status)
		require.Equal(h, lease.EndReleased, h.get(waits.ID).EndReason)
	}},
	{"Reopen/Replacement", "a waiter still replaces the lease that it named before the store was reopened", func(h *harness) {
		old := h.hold("a", lease.SharedPaths("f"))
		other := h.hold("b", lease.SharedPaths("f"))
		r := h.placed("a", 500)
		r.ID, r.Replace = "upgrade", old.Ref()
		h.refused(h.M, r)
		h.reopen()
		h.release(other)
		l := h.acquire(h.M, r)
		require.Equal(h, old.ID, l.Replaced)
		require.Equal(h, l.ID, h.get(old.ID).ReplacedBy)
		h.denied("c", lease.SharedPaths("f"))
	}},
	{"Reopen/DeadWaiters", "waiters whose process ended with the store are in nobody's way when their places have lapsed", func(h *harness) {
		h.manualSweep()
		held := h.hold("a", lease.Paths("f"))
		d := h.direct()
		for i := range 5 {
			d.queued(h.request(fmt.Sprint("dead", i), lease.Paths("f")), fmt.Sprint("try ", i), h.units(6))
		}
		h.reopen()
		h.release(held)
		h.pass(h.units(6) + resolution)
		h.hold("b", lease.Paths("f"))
		h.sweep()
		require.Len(h, h.events(lease.Query{Kinds: []lease.Kind{lease.KindLapsed}}), 5)
	}},
	{"Reopen/HandOver", "waiting goes on as ever: who waits is woken by what ends a lease from before", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		h.reopen()
		w := h.queue("b", lease.Paths("f"))
		h.release(held)
		w.soon()
	}},
	{"Reopen/Retention", "what was to be forgotten by then is forgotten, what was not is kept", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.HistoryMaxEvents = 4 })
		for i := range 6 {
			h.release(h.hold("a", lease.Paths(fmt.Sprint("f", i))))
		}
		h.pass(resolution)
		h.reopen()
		h.sweep()
		h.gaps = true
		events := h.events(lease.Query{})
		require.Len(h, events, 4)
		head := h.stats().Head
		require.Equal(h, head, events[3].Seq)
		h.reopen()
		require.Equal(h, events[0].Seq, h.stats().Oldest)
	}},
}
