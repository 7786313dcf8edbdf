package conformance

import (
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// tokenCases: reserving tokens for who hands out leases of its own.
var tokenCases = append([]testCase{
	{"Tokens/BetweenBeforeAndAfter", "tokens that are reserved are newer than all before, and older than all after", func(h *harness) {
		first := h.hold("a", lease.Trees("d"))
		last := h.hold("b", lease.Paths("f"))
		for _, n := range []int{1, 1000, lease.MaxTokenBlock} {
			block := h.reserve(first, n)
			require.Greater(h, block.First, last.Token)
			r := h.request("b", lease.Paths("f"))
			last = h.acquire(h.open(), r)
			require.Greater(h, last.Token, block.Last)
			require.Equal(h, last.Token, h.stats().Token)
		}
	}},
	{"Tokens/Counted", "the newest token that Stats tells is that of a block, if that was reserved last", func(h *harness) {
		block := h.reserve(h.hold("a", lease.Paths("f")), 77)
		stats, err := h.open().Stats(h.Context())
		require.NoError(h, err)
		require.Equal(h, block.Last, stats.Token)
	}},
	{"Tokens/NothingElse", "to reserve tokens is no renewal, no change of the lease, and no event", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.MaxRenewals, r.Labels = lease.NoRenewals, map[string]string{"reason": "build"}
		l := h.acquire(h.M, r)
		before := h.get(l.ID)
		h.sleep(1)
		h.reserve(l, 10)
		h.sameLease(before, h.get(l.ID))
		require.Equal(h, []lease.Kind{lease.KindGranted}, h.kinds(l.ID))
		require.NoError(h, h.M.Release(h.Context(), l.Ref()))
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindReleased}, h.kinds(l.ID))
	}},
	{"Tokens/Apart", "blocks that are reserved at the same time have no token in common, with each other or with a grant", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		const callers, times, n = 4, 10, 50
		var mu sync.Mutex
		given := map[lease.Token]bool{held.Token: true}
		take := func(b lease.TokenBlock) {
			mu.Lock()
			defer mu.Unlock()
			for t := b.First; t <= b.Last; t++ {
				if given[t] {
					h.Errorf("token %d twice", t)
				}
				given[t] = true
			}
		}
		var all sync.WaitGroup
		for range callers {
			m := h.open()
			all.Go(func() {
				for range times {
					block, err := lease.ReserveTokens(h.Context(), m, held.Ref(), n)
					if err != nil {
						h.Error(err)
						return
					}
					take(block)
					l, err := m.TryAcquire(h.Context(), h.request("b", lease.SharedPaths("g")))
					if err != nil {
						h.Error(err)
						return
					}
					take(lease.TokenBlock{First: l.Token, Last: l.Token})
				}
			})
		}
		all.Wait()
		require.Len(h, given, 1+callers*times*(n+1))
	}},
	{"Tokens/Limits", "1 to MaxTokenBlock tokens can be reserved at once", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		for _, n := range []int{0, -1, lease.MaxTokenBlock + 1} {
			_, err := lease.ReserveTokens(h.Context(), h.M, l.Ref(), n)
			h.invalid(err, "tokens")
		}
		_, err := lease.ReserveTokens(h.Context(), h.M, lease.Ref{ID: l.ID, Holder: "a"}, 1)
		h.invalid(err, "token")
	}},
	{"Tokens/WrongRef", "a Ref with another holder or token reserves nothing, nor does one of a place in line", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		for _, ref := range []lease.Ref{
			{ID: l.ID, Holder: "b", Token: l.Token},
			{ID: l.ID, Holder: "a", Token: l.Token + 1},
			{ID: w.ID, Holder: "b", Token: l.Token},
		} {
			_, err := lease.ReserveTokens(h.Context(), h.M, ref, 1)
			h.lost(err, lease.ErrNotHolder)
		}
		_, err := lease.ReserveTokens(h.Context(), h.M, lease.Ref{ID: "no such", Holder: "a", Token: 1}, 1)
		h.lost(err, lease.ErrNotFound)
		require.Equal(h, l.Token, h.stats().Token)
	}},
	{"Tokens/Repeated", "a call that arrives twice reserves twice, and one that arrives after the lease's end nothing", func(h *harness) {
		d := h.direct()
		l := h.hold("a", lease.Paths("f"))
		args := backend.RenewArgs{Ref: l.Ref(), Reserve: 10}
		var last lease.Token
		for range 2 {
			reply, err := d.Renew(h.Context(), args)
			require.NoError(h, err)
			require.Equal(h, backend.Done, reply.Outcome)
			require.Equal(h, 10, reply.Tokens.Len())
			require.Greater(h, reply.Tokens.First, max(last, l.Token))
			last = reply.Tokens.Last
		}
		h.release(l)
		reply, err := d.Renew(h.Context(), args)
		require.NoError(h, err)
		require.Equal(h, backend.Gone, reply.Outcome)
		require.ErrorIs(h, reply.End.Err, lease.ErrReleased)
		require.Zero(h, reply.Tokens)
		require.Greater(h, h.hold("b", lease.Paths("f")).Token, last)
	}},
	{"Tokens/AcrossConfigurations", "a change of the configuration by another process does not matter", func(h *harness) {
		other := h.open()
		l := h.hold("a", lease.Paths("f"))
		h.set(func(c *lease.Config) { c.PriorityBoost *= 2 })
		block, err := lease.ReserveTokens(h.Context(), other, l.Ref(), 5)
		require.NoError(h, err)
		require.Greater(h, block.First, l.Token)
	}},
}, forEachEnd("Tokens/After", "who holds no lease any more reserves nothing, and learns how it ended", func(h *harness, e end) {
	l := h.brief("a", lease.Paths("f"), 5)
	e.make(h, l)
	_, err := lease.ReserveTokens(h.Context(), h.M, l.Ref(), 1)
	e.check(h, l, err)
})...)

// reserve reserves n tokens for the holder of a lease.
func (h *harness) reserve(l lease.Lease, n int) lease.TokenBlock {
	h.Helper()
	block, err := lease.ReserveTokens(h.Context(), h.M, l.Ref(), n)
	require.NoError(h, err)
	require.Equal(h, n, block.Len())
	return block
}
