package conformance

import (
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// statsCases: what is counted.
var statsCases = []testCase{
	{"Stats/Empty", "an empty namespace has a clock, and nothing else", func(h *harness) {
		s := h.stats()
		require.False(h, s.Now.IsZero())
		s.Now = lease.Stats{}.Now
		require.Equal(h, lease.Stats{}, s)
	}},
	{"Stats/Counts", "leases and waiters are counted as long as they last, swept or not", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		brief := h.brief("a", lease.Paths("g"), 3)
		w := h.queue("b", lease.Paths("f"))
		d := h.direct()
		d.queued(h.request("c", lease.Paths("f")), "one", h.units(3))
		h.counts(2, 2)
		h.expire(brief)
		h.sleep(1)
		h.counts(1, 1)
		w.cancel()
		<-w.done
		h.eventually("the waiter is gone", func() bool { return h.stats().Pending == 0 })
	}},
	{"Stats/OldestWaiter", "the oldest waiter is the one that arrived first of those that still wait", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		first := h.queue("b", lease.Paths("f"))
		h.sleep(1)
		r := h.request("c", lease.Paths("f"))
		r.Priority = 5
		second := h.wait(h.M, r)
		h.sameTime(h.get(first.ID).CreatedAt, h.stats().OldestWaiter)
		first.cancel()
		<-first.done
		want := h.get(second.ID).CreatedAt
		h.eventually("the next one is the oldest", func() bool { return h.stats().OldestWaiter.Equal(want) })
	}},
	{"Stats/Head", "the head is the newest event, and the oldest the first that is kept", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		first := h.stats()
		require.Equal(h, h.only(lease.Query{}).Seq, first.Head)
		require.Equal(h, first.Head, first.Oldest)
		h.release(l)
		second := h.stats()
		require.Greater(h, second.Head, first.Head)
		require.Equal(h, first.Oldest, second.Oldest)
	}},
	{"Stats/Token", "the newest token handed out is told, and stays after its lease has ended", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		require.Equal(h, l.Token, h.stats().Token)
		h.release(l)
		require.Equal(h, l.Token, h.stats().Token)
		next := h.hold("a", lease.Paths("f"))
		require.Equal(h, next.Token, h.stats().Token)
	}},
	{"Stats/Refused", "each refusal of a try without a place is counted", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		for i := range 3 {
			h.denied("b", lease.Paths("f"))
			require.Equal(h, uint64(i+1), h.stats().Refused)
		}
		r := h.request("c", lease.Paths("f"))
		r.ID, r.QueueTTL = "one", h.units(50)
		h.refused(h.M, r)
		require.Equal(h, uint64(3), h.stats().Refused, "it has a place")
	}},
	{"Stats/Clock", "the store's clock runs on, the same for all handles, and never backwards", func(h *harness) {
		other := h.open()
		last := h.stats().Now
		for range 5 {
			h.sleep(1)
			s, err := other.Stats(h.Context())
			require.NoError(h, err)
			require.WithinDuration(h, last.Add(h.Unit), s.Now, h.patience())
			require.False(h, s.Now.Before(last.Add(h.Unit-resolution)))
			last = h.stats().Now
			require.False(h, last.Before(s.Now))
		}
	}},
}
