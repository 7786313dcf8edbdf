package conformance

import (
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// historyReadCases: how a history is read, switched off, and trimmed.
var historyReadCases = []testCase{
	{"History/Queries", "a query selects events by kind and by what their leases are, and all that is set must match", func(h *harness) {
		tree := h.hold("a", lease.Trees("d"))
		deep := h.hold("a", lease.Paths("d/e/f", "g"))
		h.release(deep)
		last := h.hold("b", lease.Paths("g"))
		for _, c := range []struct {
			query lease.Query
			want  []lease.ID
		}{
			{lease.Query{}, []lease.ID{tree.ID, deep.ID, deep.ID, last.ID}},
			{lease.Query{ID: deep.ID}, []lease.ID{deep.ID, deep.ID}},
			{lease.Query{Holder: "b"}, []lease.ID{last.ID}},
			{lease.Query{Holder: "B"}, nil},
			{lease.Query{Path: "d/e/f"}, []lease.ID{tree.ID, deep.ID, deep.ID}},
			{lease.Query{Path: "/d//e/"}, []lease.ID{tree.ID}},
			{lease.Query{Under: "d/e"}, []lease.ID{deep.ID, deep.ID}},
			{lease.Query{Under: "/"}, []lease.ID{tree.ID, deep.ID, deep.ID, last.ID}},
			{lease.Query{Kinds: []lease.Kind{lease.KindReleased, lease.KindExpired}}, []lease.ID{deep.ID}},
			{lease.Query{Path: "g", Kinds: []lease.Kind{lease.KindGranted}}, []lease.ID{deep.ID, last.ID}},
			{lease.Query{Path: "g", Holder: "a", Kinds: []lease.Kind{lease.KindGranted}}, []lease.ID{deep.ID}},
			{lease.Query{Limit: 2}, []lease.ID{tree.ID, deep.ID}},
			{lease.Query{Path: "g", Limit: 1}, []lease.ID{deep.ID}},
		} {
			var got []lease.ID
			for _, e := range h.events(c.query) {
				got = append(got, e.Lease.ID)
			}
			require.Equal(h, c.want, got, "%+v", c.query)
		}
	}},
	{"History/AfterAnyOfABatch", "a query continues after any event, if others were recorded together with it, too: it repeats none", func(h *harness) {
		var all sync.WaitGroup
		for i := range 24 {
			all.Go(func() {
				l, err := h.M.TryAcquire(h.Context(), h.request("a", lease.Paths(fmt.Sprint("f", i))))
				if err == nil {
					err = h.M.Release(h.Context(), l.Ref())
				}
				if err != nil {
					h.Error(err)
				}
			})
		}
		all.Wait()
		events := h.events(lease.Query{})
		require.Len(h, events, 48)
		for i, e := range events[:47] {
			require.Equal(h, events[i+1:], h.events(lease.Query{After: e.Seq}), "after event %d", e.Seq)
		}
	}},
	{"History/After", "a query continues after an event; after the newest there is nothing, and beyond it neither", func(h *harness) {
		for range 3 {
			h.release(h.hold("a", lease.Paths("f")))
		}
		all := h.events(lease.Query{})
		require.Len(h, all, 6)
		for i, e := range all {
			require.Equal(h, all[i+1:], append([]lease.Event{}, h.events(lease.Query{After: e.Seq})...))
		}
		require.Empty(h, h.events(lease.Query{After: all[5].Seq + 1000}))
		require.Empty(h, h.events(lease.Query{After: lease.Now}))
	}},
	{"History/TokensMasked", "tokens are shown only to who asks for all, for a holder or for an ID", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		for _, q := range []lease.Query{{All: true}, {Holder: "a"}, {ID: l.ID}} {
			require.Equal(h, l.Token, h.only(q).Lease.Token, "%+v", q)
		}
		for _, q := range []lease.Query{{}, {Path: "f"}, {Kinds: []lease.Kind{lease.KindGranted}}} {
			require.Zero(h, h.only(q).Lease.Token, "%+v", q)
		}
	}},
	{"History/Ends", "a history ends with the events that there were when it began, however many come meanwhile", func(h *harness) {
		h.release(h.hold("a", lease.Paths("f")))
		n := 0
		for _, err := range h.M.History(h.Context(), lease.Query{}) {
			require.NoError(h, err)
			h.release(h.hold("a", lease.Paths("f")))
			n++
		}
		require.Equal(h, 2, n)
	}},
	{"History/Stopped", "who stops reading in the middle leaves nothing behind that keeps others from working", func(h *harness) {
		for range 5 {
			h.release(h.hold("a", lease.Paths("f")))
			for _, err := range h.M.History(h.Context(), lease.Query{}) {
				require.NoError(h, err)
				break
			}
			for _, err := range h.M.List(h.Context(), lease.Query{Status: []lease.Status{lease.Released}}) {
				require.NoError(h, err)
				break
			}
		}
	}},
	{"History/Pages", "a long history is read in order, each event exactly once", func(h *harness) {
		const n = 300
		for i := range n {
			h.release(h.hold(fmt.Sprintf("h%d", i), lease.Paths("f")))
		}
		events := h.events(lease.Query{})
		require.Len(h, events, 2*n)
		for i, e := range events {
			require.Equal(h, fmt.Sprintf("h%d", i/2), e.Lease.Holder)
		}
		require.Len(h, h.events(lease.Query{Holder: "h299"}), 2, "far from where it began to look")
	}},
	{"History/Invalid", "a query beyond the limits is invalid, and names the field", func(h *harness) {
		for _, c := range []struct {
			field string
			query lease.Query
		}{
			{"path", lease.Query{Path: "../f"}},
			{"path", lease.Query{Under: "\xff"}},
			{"limit", lease.Query{Limit: -1}},
			{"kinds", lease.Query{Kinds: []lease.Kind{"granted", "granted "}}},
		} {
			n := 0
			for _, err := range h.M.History(h.Context(), c.query) {
				h.invalid(err, c.field)
				n++
			}
			require.Equal(h, 1, n)
		}
	}},
	{"History/Off", "with history off nothing is recorded, with history on again it goes on", func(h *harness) {
		h.gaps = true
		h.set(func(c *lease.Config) { c.History = false })
		other := h.open()
		l := h.acquire(other, h.request("a", lease.Paths("f")))
		_, err := other.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		h.release(l)
		require.Empty(h, h.kinds(l.ID))
		h.set(func(c *lease.Config) { c.History = true })
		next := h.acquire(other, h.request("a", lease.Paths("f")))
		require.Greater(h, next.Token, l.Token)
		require.Equal(h, []lease.Kind{lease.KindGranted}, h.kinds(next.ID))
	}},
	{"History/RenewalsOff", "with history_renewals off renewals alone are not recorded", func(h *harness) {
		other := h.open()
		l := h.acquire(other, h.request("a", lease.Paths("f")))
		h.set(func(c *lease.Config) { c.HistoryRenewals = false })
		for range 3 {
			_, err := other.Renew(h.Context(), l.Ref(), 0)
			require.NoError(h, err)
		}
		h.release(l)
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindReleased}, h.kinds(l.ID))
		require.Equal(h, 3, h.get(l.ID).Renewals)
	}},
	{"History/Retention", "events older than history_retention are no longer kept after a sweep, newer ones are", func(h *harness) {
		h.set(func(c *lease.Config) { c.HistoryRetention = time.Second })
		h.release(h.hold("a", lease.Paths("f")))
		h.pass(time.Second + h.units(1))
		kept := h.hold("b", lease.Paths("f"))
		h.sweep()
		require.Equal(h, kept.ID, h.only(lease.Query{}).Lease.ID)
		s := h.stats()
		require.Equal(h, s.Head, s.Oldest)
	}},
	{"History/RetentionFromTheRecording", "history_retention counts from when an event was recorded: an expiry that a sweep finds out late is kept as long as any other", func(h *harness) {
		h.manualSweep()
		retention := time.Second + h.doubt()
		h.set(func(c *lease.Config) { c.HistoryRetention = retention })
		l := h.brief("a", lease.Paths("f"), 2)
		h.pass(h.units(2) + retention + h.doubt())
		h.sweep() // records the end
		h.sweep() // would trim it
		e := h.only(lease.Query{ID: l.ID})
		require.Equal(h, lease.KindExpired, e.Kind)
		h.sameTime(l.ExpiresAt, e.At)
		h.pass(retention + h.units(1))
		h.sweep()
		require.Empty(h, h.events(lease.Query{ID: l.ID}))
	}},
	{"History/MaxEvents", "no more than history_max_events are kept after a sweep: the newest", func(h *harness) {
		for range 5 {
			h.release(h.hold("a", lease.Paths("f")))
		}
		h.set(func(c *lease.Config) { c.HistoryMaxEvents = 4 })
		before := h.events(lease.Query{})
		h.sweep()
		after := h.events(lease.Query{})
		require.Equal(h, before[len(before)-4:], after)
		require.Equal(h, after[0].Seq, h.stats().Oldest)
	}},
	{"History/Trimmed", "who continues after events that are no longer kept is told so, and where the history now begins", func(h *harness) {
		h.trim()
		oldest := h.stats().Oldest
		for _, q := range []lease.Query{{After: 1}, {After: oldest - 2}} {
			n := 0
			for _, err := range h.M.History(h.Context(), q) {
				h.trimmed(err, oldest)
				n++
			}
			require.Equal(h, 1, n)
		}
		require.Equal(h, oldest, h.events(lease.Query{})[0].Seq, "from the oldest kept")
		require.Equal(h, oldest, h.events(lease.Query{After: oldest - 1})[0].Seq, "nothing is missing in between")
	}},
	{"History/TrimmedGoesOn", "trimming moves neither the places of what is kept nor those of what comes", func(h *harness) {
		h.trim()
		head := h.stats().Head
		h.hold("z", lease.Paths("z"))
		require.Greater(h, h.only(lease.Query{After: head}).Seq, head)
	}},
}

// trim makes a history of which the beginning is no longer kept.
func (h *harness) trim() {
	h.Helper()
	h.set(func(c *lease.Config) { c.HistoryMaxEvents = 3 })
	for range 4 {
		h.release(h.hold("a", lease.Paths("f")))
	}
	h.sweep()
	require.Len(h, h.events(lease.Query{}), 3)
}

// trimmed requires a lease.TrimmedError that tells where the history begins.
func (h *harness) trimmed(err error, oldest lease.Seq) {
	h.Helper()
	require.ErrorIs(h, err, lease.ErrTrimmed)
	var trimmed *lease.TrimmedError
	require.ErrorAs(h, err, &trimmed)
	require.Equal(h, oldest, trimmed.Oldest)
}
