package conformance

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// listCases: List, Get and what is built on them.
var listCases = []testCase{
	{"List/Empty", "an empty namespace lists nothing", func(h *harness) {
		require.Empty(h, h.ids(lease.Query{}))
	}},
	{"List/ActiveAndWaiting", "by default a list shows what is active and what waits, by first arrival, through any handle", func(h *harness) {
		a := h.hold("a", lease.Paths("f"))
		gone := h.hold("b", lease.Paths("g"))
		w := h.queue("c", lease.Paths("f"))
		b := h.hold("b", lease.Paths("h"))
		h.release(gone)
		require.Equal(h, []lease.ID{a.ID, w.ID, b.ID}, h.ids(lease.Query{}))
		listed := collect(h, h.open().List(h.Context(), lease.Query{}))
		h.sameLease(a, listed[0])
		require.Equal(h, lease.Pending, listed[1].Status)
		require.Zero(h, listed[1].Token)
		h.sameLease(b, listed[2])
	}},
	{"List/Queries", "a query selects by holder, by what covers a path, by what lies under one, by status, and all that is set must match", func(h *harness) {
		root := h.hold("a", lease.SharedTrees("/"))
		deep := h.hold("a", lease.SharedPaths("d/e/f", "g"))
		tree := h.hold("b", lease.SharedTrees("d/e"))
		w := h.queue("c", lease.Paths("d/e/f"))
		for _, c := range []struct {
			query lease.Query
			want  []lease.ID
		}{
			{lease.Query{Holder: "a"}, []lease.ID{root.ID, deep.ID}},
			{lease.Query{Holder: "A"}, nil},
			{lease.Query{ID: deep.ID}, []lease.ID{deep.ID}},
			{lease.Query{ID: deep.ID, Holder: "b"}, nil},
			{lease.Query{Path: "d/e/f"}, []lease.ID{root.ID, deep.ID, tree.ID, w.ID}},
			{lease.Query{Path: "./d//e/"}, []lease.ID{root.ID, tree.ID}},
			{lease.Query{Path: "d/ef"}, []lease.ID{root.ID}},
			{lease.Query{Path: "/"}, []lease.ID{root.ID}},
			{lease.Query{Under: "d"}, []lease.ID{deep.ID, tree.ID, w.ID}},
			{lease.Query{Under: "d/e/f"}, []lease.ID{deep.ID, w.ID}},
			{lease.Query{Under: "d/e/f/g"}, nil},
			{lease.Query{Under: "/"}, []lease.ID{root.ID, deep.ID, tree.ID, w.ID}},
			{lease.Query{Status: []lease.Status{lease.Pending}}, []lease.ID{w.ID}},
			{lease.Query{Status: []lease.Status{lease.Active}, Under: "d/e"}, []lease.ID{deep.ID, tree.ID}},
			{lease.Query{Holder: "a", Path: "g", Under: "d"}, []lease.ID{deep.ID}},
			{lease.Query{Limit: 2}, []lease.ID{root.ID, deep.ID}},
			{lease.Query{Under: "d", Limit: 1}, []lease.ID{deep.ID}},
		} {
			require.Equal(h, c.want, h.ids(c.query), "%+v", c.query)
		}
	}},
	{"List/ExpiredAtOnce", "a lease is shown as expired from its expiry on, recorded or not", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 2)
		require.Equal(h, []lease.ID{l.ID}, h.ids(lease.Query{}))
		h.expire(l)
		require.Empty(h, h.ids(lease.Query{}))
		require.Equal(h, []lease.ID{l.ID}, h.ids(lease.Query{Status: []lease.Status{lease.Expired}}))
		got := h.get(l.ID)
		require.Equal(h, lease.Expired, got.Status)
		require.Equal(h, lease.EndExpired, got.EndReason)
		h.counts(0, 0)
	}},
	{"List/LapsedAtOnce", "a place in line is shown as lapsed from its deadline on, recorded or not", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		d := h.direct()
		a := d.queued(h.request("b", lease.Paths("f")), "one", h.units(2))
		h.sleep(3)
		require.Empty(h, h.ids(lease.Query{Holder: "b"}))
		got := h.get(a.Request.ID)
		require.Equal(h, lease.Failed, got.Status)
		require.Equal(h, lease.EndLapsed, got.EndReason)
		h.counts(1, 0)
	}},
	{"List/Ended", "what has ended is listed to who asks for its status, as long as it is remembered", func(h *harness) {
		released := h.hold("a", lease.Paths("f"))
		h.release(released)
		revoked := h.hold("b", lease.Paths("f"))
		h.force(lease.Query{ID: revoked.ID})
		require.Equal(h, []lease.ID{released.ID}, h.ids(lease.Query{Status: []lease.Status{lease.Released}}))
		require.Equal(h, []lease.ID{revoked.ID}, h.ids(lease.Query{Status: []lease.Status{lease.Failed}}))
		require.Equal(h, []lease.ID{released.ID, revoked.ID},
			h.ids(lease.Query{Status: []lease.Status{lease.Released, lease.Failed, lease.Active}}))
		require.Equal(h, []lease.ID{released.ID}, h.ids(lease.Query{ID: released.ID}), "an ID finds it whatever its status")
	}},
	{"List/ExactlyOnce", "what is active throughout a long list appears in it exactly once, whatever comes and goes meanwhile", func(h *harness) {
		const n = 350
		var leases []lease.Lease
		for i := range n {
			leases = append(leases, h.hold("a", lease.Paths(fmt.Sprintf("f%d", i))))
		}
		seen := map[lease.ID]int{}
		for l, err := range h.M.List(h.Context(), lease.Query{}) {
			require.NoError(h, err)
			seen[l.ID]++
			switch k := len(seen); {
			case k%50 == 25: // one that was seen, and one that may not have been
				h.release(leases[k-10])
				h.release(leases[n-k/2])
				leases[k-10], leases[n-k/2] = lease.Lease{}, lease.Lease{}
				h.hold("b", lease.Paths(fmt.Sprintf("g%d", k)))
			case k == n/2:
				h.sweep()
			}
		}
		for i, l := range leases {
			if l.ID != "" {
				require.Equal(h, 1, seen[l.ID], "the %d. lease", i)
			}
		}
		for id, times := range seen {
			require.Equal(h, 1, times, id)
		}
	}},
	{"List/Remaining", "each active lease of a list says how long it still lasts, a waiter does not", func(h *harness) {
		brief, long := h.brief("a", lease.Paths("f"), 60), h.brief("a", lease.Paths("g"), 600)
		h.queue("b", lease.Paths("f"))
		h.sleep(5)
		listed := collect(h, h.M.List(h.Context(), lease.Query{}))
		require.Len(h, listed, 3)
		for i, l := range []lease.Lease{brief, long} {
			require.True(h, listed[i].Valid())
			require.LessOrEqual(h, listed[i].Remaining(), l.TTL-h.units(5)-lease.Margin(l.TTL-h.units(5))+resolution)
			require.GreaterOrEqual(h, listed[i].Remaining(), l.TTL-h.units(5)-lease.Margin(l.TTL-h.units(5))-h.patience())
		}
		require.False(h, listed[2].Valid())
	}},
	{"List/NewestFirst", "a list that is asked for the newest first is the other way round, and a limit keeps the newest", func(h *harness) {
		const n = 230
		var want []lease.ID
		for i := range n {
			r := h.request("a", lease.Paths(fmt.Sprintf("f%d", i)))
			r.ID = lease.ID(fmt.Sprintf("r%d", i))
			h.acquire(h.M, r)
			want = append(want, r.ID)
		}
		slices.Reverse(want)
		ids := func(q lease.Query) (ids []lease.ID) {
			for _, l := range collect(h, h.M.List(h.Context(), q)) {
				ids = append(ids, l.ID)
			}
			return ids
		}
		require.Equal(h, want, ids(lease.Query{NewestFirst: true}))
		for _, limit := range []int{1, 7, n, n + 1} {
			require.Equal(h, want[:min(limit, n)], ids(lease.Query{NewestFirst: true, Limit: limit}))
		}
		require.Empty(h, ids(lease.Query{Holder: "nobody", NewestFirst: true, Limit: 3}))
		for _, err := range h.M.List(h.Context(), lease.Query{NewestFirst: true}) {
			require.NoError(h, err)
			break
		}
		require.ErrorIs(h, lastError(h.M.List(h.Context(), lease.Query{NewestFirst: true, Limit: -1})), lease.ErrInvalid)
	}},
	{"List/Order", "a list is in order of the first arrivals, over all its pages", func(h *harness) {
		const n = 230
		var want []lease.ID
		for i := range n {
			r := h.request("a", lease.Paths(fmt.Sprintf("f%d", i)))
			r.ID = lease.ID(fmt.Sprintf("%03d", (i*97)%n)) // in no order
			want = append(want, h.acquire(h.M, r).ID)
		}
		require.Equal(h, want, h.ids(lease.Query{}))
		require.Equal(h, want[:205], h.ids(lease.Query{Limit: 205}))
	}},
	{"List/Throughout", "leases of all kinds and fates stand in a list once each, in the order of their arrivals", func(h *harness) {
		h.manualSweep()
		const n = 900
		var want []lease.ID
		var held []lease.Lease
		for i := range n {
			claims := lease.Paths(fmt.Sprintf("f%d", i))
			switch {
			case i%40 == 39:
				claims = lease.Trees(fmt.Sprintf("d%d", i))
			case i%60 == 59:
				claims = lease.Paths(fmt.Sprintf("f%d", i), fmt.Sprintf("g%d", i))
			}
			l := h.hold("a", claims)
			want, held = append(want, l.ID), append(held, l)
			if i%70 == 69 {
				_, err := h.M.Renew(h.Context(), held[0].Ref(), 0)
				require.NoError(h, err)
			}
			if i%3 != 2 {
				continue
			}
			// Most last for a moment, some for long, some are left.
			last := len(held) - 1
			h.release(held[last])
			held = held[:last]
			if i%7 == 0 && len(held) > 10 {
				h.release(held[i%len(held)])
				held = append(held[:i%len(held)], held[i%len(held)+1:]...)
			}
		}
		all := lease.Query{Status: []lease.Status{lease.Active, lease.Pending, lease.Released}}
		require.Equal(h, want, h.ids(all))
		active := map[lease.ID]bool{}
		for _, l := range held {
			active[l.ID] = true
		}
		left := slices.DeleteFunc(slices.Clone(want), func(id lease.ID) bool { return !active[id] })
		h.counts(len(held), 0)
		require.Equal(h, left, h.ids(lease.Query{}))
		h.sweep()
		require.Equal(h, want, h.ids(all))
		h.counts(len(held), 0)
	}},
	{"List/EndedLater", "what ended long after it arrived, when many others had come, keeps its place in a list", func(h *harness) {
		h.manualSweep()
		const n, later = 1100, 300
		var want []lease.ID
		var held []lease.Lease
		for i := range n {
			l := h.hold("a", lease.Paths(fmt.Sprintf("f%d", i)))
			want = append(want, l.ID)
			if i%2 == 0 {
				h.release(l)
			} else if held = append(held, l); len(held) > later/2 {
				h.release(held[0])
				held = held[1:]
			}
		}
		require.Equal(h, want, h.ids(lease.Query{Status: []lease.Status{lease.Active, lease.Released}}))
		h.counts(len(held), 0)
	}},
	{"List/Invalid", "a query beyond the limits is invalid, and names the field", func(h *harness) {
		for _, c := range []struct {
			field string
			query lease.Query
		}{
			{"path", lease.Query{Path: "a/../b"}},
			{"path", lease.Query{Under: "a\x00b"}},
			{"limit", lease.Query{Limit: -1}},
			{"status", lease.Query{Status: []lease.Status{lease.Active, 9}}},
		} {
			n := 0
			for _, err := range h.M.List(h.Context(), c.query) {
				h.invalid(err, c.field)
				n++
			}
			require.Equal(h, 1, n)
		}
	}},
	{"Get/Waiter", "a waiter is shown as pending, with its arrival, when its place lapses, and no token", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(30) })
		w := h.queue("b", lease.Paths("f"))
		got := h.get(w.ID)
		require.Equal(h, lease.Pending, got.Status)
		require.Zero(h, got.Token)
		require.True(h, got.GrantedAt.IsZero())
		require.False(h, got.CreatedAt.IsZero())
		require.Equal(h, h.units(30), got.ExpiresAt.Sub(got.CreatedAt).Truncate(h.Unit))
	}},
	{"Get/Contention", "a lease shows who waits for it: how many, since when, and the highest priority", func(h *harness) {
		l := h.hold("a", lease.Trees("d"))
		require.Zero(h, h.get(l.ID).Contention)
		h.hold("x", lease.Paths("g"))
		first := h.queue("b", lease.Paths("d/e", "d/f"))
		h.queue("x", lease.Paths("h", "g"))
		h.queue("y", lease.Paths("g"))
		urgent := h.request("c", lease.SharedPaths("d"))
		urgent.Priority = 3
		h.wait(h.M, urgent)
		got := h.get(l.ID).Contention
		require.Equal(h, 2, got.Waiters)
		require.Equal(h, 3, got.Priority)
		h.sameTime(h.get(first.ID).CreatedAt, got.Since)
	}},
	{"Get/Remaining", "a lease that is looked up says how long it still lasts, by the store's clock, counted from before the call", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 60)
		h.sleep(5)
		got := h.get(l.ID)
		require.True(h, got.Valid())
		require.LessOrEqual(h, got.Remaining(), l.TTL-h.units(5)-lease.Margin(l.TTL-h.units(5))+resolution)
		require.GreaterOrEqual(h, got.Remaining(), l.TTL-h.units(5)-lease.Margin(l.TTL-h.units(5))-h.patience())
		faults, m := h.faulty(FaultOptions{Delay: h.units(3)})
		faults.Next(OpList, Late)
		start := time.Now()
		got, err := m.Get(h.Context(), l.ID)
		require.NoError(h, err)
		require.LessOrEqual(h, got.Deadline().Sub(start), l.TTL-h.units(5)-lease.Margin(l.TTL-h.units(5))+resolution)
		h.release(l)
		require.False(h, h.get(l.ID).Valid())
	}},
	{"Get/NotFound", "an ID that was never asked for is not found", func(h *harness) {
		_, err := h.M.Get(h.Context(), "nobody")
		h.lost(err, lease.ErrNotFound)
		_, err = h.M.Get(h.Context(), "")
		h.invalid(err, "id")
	}},
	{"Get/Remembered", "an end is remembered for ended_retention, swept or not, and then forgotten, swept or not", func(h *harness) {
		h.set(func(c *lease.Config) {
			c.EndedRetention, c.AutoSweep = lease.MinEndedRetention, false
		})
		kept, swept := h.hold("a", lease.Paths("f")), h.hold("a", lease.Paths("g"))
		h.release(kept)
		h.release(swept)
		h.pass(lease.MinEndedRetention - h.doubt())
		h.sweep()
		require.Equal(h, lease.EndReleased, h.get(kept.ID).EndReason)
		h.pass(2 * h.doubt())
		_, err := h.M.Get(h.Context(), kept.ID)
		h.lost(err, lease.ErrNotFound)
		require.Equal(h, 2, h.sweep().Forgotten)
		_, err = h.M.Get(h.Context(), swept.ID)
		h.lost(err, lease.ErrNotFound)
		require.Empty(h, h.ids(lease.Query{Status: []lease.Status{lease.Released}}))
	}},
	{"Get/RememberedFromTheEnd", "how long an expiry is remembered counts from the deadline, not from when it was found out", func(h *harness) {
		h.set(func(c *lease.Config) {
			c.EndedRetention, c.AutoSweep = lease.MinEndedRetention, false
		})
		l := h.brief("a", lease.Paths("f"), 1)
		h.pass(lease.MinEndedRetention - h.doubt())
		h.sweep()
		require.Equal(h, lease.Expired, h.get(l.ID).Status)
		h.pass(h.units(1) + 2*h.doubt())
		_, err := h.M.Get(h.Context(), l.ID)
		h.lost(err, lease.ErrNotFound)
	}},
	{"Get/IsLocked", "IsLocked and HoldsLease tell of what is active now: not of waiters, not of what has expired", func(h *harness) {
		locked := func(path string) bool {
			yes, err := lease.IsLocked(h.Context(), h.M, path)
			require.NoError(h, err)
			return yes
		}
		holds := func(holder, path string) bool {
			yes, err := lease.HoldsLease(h.Context(), h.M, holder, path)
			require.NoError(h, err)
			return yes
		}
		require.False(h, locked("d/e"))
		l := h.brief("a", lease.Trees("d"), 5)
		h.queue("b", lease.Paths("d/e"))
		h.queue("c", lease.Paths("d", "waited-for"))
		require.False(h, locked("waited-for"))
		require.False(h, holds("c", "waited-for"))
		require.True(h, locked("/d/e/"))
		require.False(h, locked("e"))
		require.True(h, holds("a", "d/e"))
		require.False(h, holds("b", "d/e"))
		h.release(l)
		h.eventually("the waiter holds it", func() bool { return holds("b", "d/e") })
		require.False(h, holds("a", "d/e"))
		brief := h.brief("c", lease.Paths("g"), 1)
		require.True(h, locked("g"))
		h.expire(brief)
		require.False(h, locked("g"))
	}},
}

// ids returns the IDs of what a query lists, in order.
func (h *harness) ids(q lease.Query) []lease.ID {
	h.Helper()
	var ids []lease.ID
	for _, l := range collect(h, h.M.List(h.Context(), q)) {
		ids = append(ids, l.ID)
	}
	return slices.Clip(ids)
}
