package conformance

import (
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// sweepCases: cleaning up, by call and in the background.
var sweepCases = []testCase{
	{"Sweep/Expired", "a sweep records the ends of expired leases, counts them, and leaves the others alone", func(h *harness) {
		h.manualSweep()
		gone := []lease.Lease{h.brief("a", lease.Paths("f"), 1), h.brief("b", lease.Paths("g"), 2)}
		kept := h.hold("c", lease.Paths("h"))
		h.sleep(3)
		require.Equal(h, 2, h.sweep().Expired)
		for _, l := range gone {
			require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindExpired}, h.kinds(l.ID))
		}
		require.Equal(h, []lease.Kind{lease.KindGranted}, h.kinds(kept.ID))
		h.denied("d", lease.Paths("h"))
	}},
	{"Sweep/Lapsed", "a sweep removes dead waiters, counts them, and leaves the living their places", func(h *harness) {
		h.manualSweep()
		h.hold("a", lease.Paths("f"))
		d := h.direct()
		dead := d.queued(h.request("b", lease.Paths("f")), "one", h.units(1))
		living := d.queued(h.request("c", lease.Paths("f")), "two", h.units(100))
		h.sleep(2)
		require.Equal(h, lease.SweepResult{Lapsed: 1}, h.sweep())
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindLapsed}, h.kinds(dead.Request.ID))
		require.Equal(h, []lease.ID{living.Request.ID}, h.ids(lease.Query{Status: []lease.Status{lease.Pending}}))
	}},
	{"Sweep/Nothing", "a sweep that finds nothing to do changes nothing", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		h.queue("b", lease.Paths("f"))
		before := h.stats()
		require.Zero(h, h.sweep())
		after := h.stats()
		before.Now = after.Now
		require.Equal(h, before, after)
	}},
	{"Sweep/Many", "one call of Sweep does all that there is to do, however much", func(h *harness) {
		h.manualSweep()
		const n = 600
		for i := range n {
			h.brief("a", lease.Paths(fmt.Sprintf("f%d", i)), 3)
		}
		h.sleep(4)
		result := h.sweep()
		require.LessOrEqual(h, result.Expired, n)
		require.Len(h, h.events(lease.Query{Kinds: []lease.Kind{lease.KindExpired}}), n)
		require.Zero(h, h.sweep())
	}},
	{"Sweep/Concurrent", "sweeps at the same time record each end once", func(h *harness) {
		h.manualSweep()
		const n = 50
		for i := range n {
			h.brief("a", lease.Paths(fmt.Sprintf("f%d", i)), 2)
		}
		h.sleep(3)
		managers := []lease.Manager{h.M, h.open(), h.open()}
		expired := make([]int, 6)
		var wg sync.WaitGroup
		for i := range expired {
			wg.Go(func() {
				result, err := managers[i%len(managers)].Sweep(h.Context())
				if expired[i] = result.Expired; err != nil {
					h.Error(err)
				}
			})
		}
		wg.Wait()
		sum := 0
		for _, some := range expired {
			sum += some
		}
		require.Equal(h, n, sum)
		require.Len(h, h.events(lease.Query{Kinds: []lease.Kind{lease.KindExpired}}), n)
	}},
	{"Sweep/Background", "with auto_sweep on ends are recorded every sweep_interval without any call", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 2)
		h.set(func(c *lease.Config) { c.SweepInterval = h.units(2) })
		h.sleep(6)
		h.eventually("the end is recorded", func() bool { return len(h.kinds(l.ID)) == 2 })
	}},
	{"Sweep/Manual", "with auto_sweep off nothing is recorded until somebody comes across it, and nothing is blocked by it", func(h *harness) {
		h.set(func(c *lease.Config) { c.AutoSweep, c.SweepInterval = false, h.units(1) })
		l := h.brief("a", lease.Paths("f"), 1)
		h.sleep(6)
		require.Equal(h, []lease.Kind{lease.KindGranted}, h.kinds(l.ID))
		h.hold("b", lease.Paths("f"))
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindExpired}, h.kinds(l.ID))
	}},
	{"Sweep/BackgroundOfAnother", "a change of sweep_interval by another process is obeyed within minutes by one that is idle", func(h *harness) {
		idle := h.M
		h.brief("a", lease.Paths("f"), 1)
		other := h.open()
		c, err := other.Config(h.Context())
		require.NoError(h, err)
		c.SweepInterval = h.units(10)
		_, err = other.SetConfig(h.Context(), c)
		require.NoError(h, err)
		require.NoError(h, other.Close())
		h.pass(2 * time.Minute)
		found := 0
		for _, err := range idle.History(h.Context(), lease.Query{Kinds: []lease.Kind{lease.KindExpired}}) {
			require.NoError(h, err)
			found++
		}
		require.Equal(h, 1, found)
	}},
	{"Sweep/EndedMax", "no more than ended_max ends are remembered after a sweep: the newest", func(h *harness) {
		h.set(func(c *lease.Config) { c.EndedMax = 2 })
		var ids []lease.ID
		for range 5 {
			l := h.hold("a", lease.Paths("f"))
			h.release(l)
			ids = append(ids, l.ID)
			h.pass(resolution)
		}
		h.pass(lease.MinEndedRetention + h.doubt())
		h.sweep()
		require.Equal(h, ids[3:], h.ids(lease.Query{Status: []lease.Status{lease.Released}}))
		_, err := h.M.Get(h.Context(), ids[0])
		h.lost(err, lease.ErrNotFound)
	}},
	{"Sweep/EndedMaxOfMany", "no more than ended_max ends are remembered, the newest, of those that came together too", func(h *harness) {
		h.manualSweep()
		const n, rounds, most = 40, 5, 70
		var ids []lease.ID // by round
		for round := range rounds {
			tree := h.hold("a", lease.Trees(fmt.Sprintf("d%d", round))) // not all are of a kind
			leases := make([]lease.Lease, n)
			for i := range n {
				leases[i] = h.hold("a", lease.Paths(fmt.Sprintf("f%d/%d", round, i)))
				ids = append(ids, leases[i].ID)
			}
			var all sync.WaitGroup
			for _, l := range leases {
				all.Go(func() { h.release(l) })
			}
			all.Wait()
			h.release(tree)
			ids = append(ids, tree.ID)
			h.pass(resolution)
		}
		h.set(func(c *lease.Config) { c.EndedMax = most })
		h.pass(lease.MinEndedRetention + h.doubt())
		h.sweep()
		left := h.ids(lease.Query{Status: []lease.Status{lease.Released}})
		require.Len(h, left, most)
		require.Subset(h, left, ids[(n+1)*(rounds-1):], "the last round is all there")
		require.Subset(h, ids[(n+1)*(rounds-2):], left, "and what else there is, is of the one before")
		h.counts(0, 0)
	}},
	{"Sweep/EndedMaxOfReused", "an ID that is used anew after its end is forgotten counts once", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.EndedRetention = lease.MinEndedRetention + 4*h.doubt() })
		again := h.request("a", lease.Paths("f"))
		again.ID = "again"
		h.release(h.acquire(h.M, again))
		h.pass(lease.MinEndedRetention + 5*h.doubt())
		var ids []lease.ID
		h.release(h.acquire(h.M, again))
		for i := range 2 {
			h.pass(resolution)
			l := h.hold("a", lease.Paths(fmt.Sprintf("g%d", i)))
			h.release(l)
			ids = append(ids, l.ID)
		}
		h.set(func(c *lease.Config) { c.EndedMax = 2 })
		h.pass(lease.MinEndedRetention + h.doubt())
		h.sweep()
		require.Equal(h, ids, h.ids(lease.Query{Status: []lease.Status{lease.Released}}))
	}},
	{"Sweep/EndedMaxAfterRetention", "what was forgotten for its age does not count any more: of what ended since, as much as ended_max says is remembered", func(h *harness) {
		h.manualSweep()
		h.set(func(c *lease.Config) { c.EndedRetention = lease.MinEndedRetention })
		end := func(n int) (ids []lease.ID) {
			for i := range n {
				l := h.hold("a", lease.Paths(fmt.Sprint("f", i)))
				h.release(l)
				ids = append(ids, l.ID)
			}
			return ids
		}
		end(5)
		h.pass(4 * h.doubt())
		later := end(3)
		h.pass(lease.MinEndedRetention - 3*h.doubt())
		require.Equal(h, 5, h.sweep().Forgotten)
		h.set(func(c *lease.Config) { c.EndedRetention, c.EndedMax = 10*lease.MinEndedRetention, len(later) })
		h.pass(4 * h.doubt())
		h.sweep()
		require.Equal(h, later, h.ids(lease.Query{Status: []lease.Status{lease.Released}}))
	}},
	{"Sweep/Wide", "one call of Sweep ends all that is over, however many claims each of it has", func(h *harness) {
		h.manualSweep()
		const n = 10
		for i := range n {
			claims := make([]lease.Claim, 100)
			for j := range claims {
				claims[j] = lease.Claim{Path: fmt.Sprintf("a directory with a long name/%d/%d", i, j)}
			}
			h.brief("a", claims, 20)
		}
		h.sleep(21)
		require.Equal(h, n, h.sweep().Expired)
	}},
	{"Sweep/TokensRiseOn", "when everything is forgotten tokens go on rising all the same", func(h *harness) {
		h.set(func(c *lease.Config) {
			c.HistoryRetention, c.EndedRetention = h.units(10), lease.MinEndedRetention
		})
		l := h.hold("a", lease.Paths("f"))
		h.release(l)
		h.pass(lease.MinEndedRetention + h.doubt())
		h.sweep()
		require.Empty(h, h.ids(lease.Query{Status: []lease.Status{lease.Released}}))
		require.Empty(h, h.events(lease.Query{}))
		require.Greater(h, h.hold("a", lease.Paths("f")).Token, l.Token)
	}},
}

// manualSweep leaves all sweeping to the case.
func (h *harness) manualSweep() {
	h.Helper()
	h.set(func(c *lease.Config) { c.AutoSweep = false })
}
