package conformance

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// fencingCases: tokens rise over all grants, for ever, whatever happens between
// two of them.
var fencingCases = append([]testCase{
	{"Fencing/EveryPath", "tokens rise over all grants of the namespace, not only over those of one path", func(h *harness) {
		var last lease.Token
		for i := range 20 {
			l := h.hold(fmt.Sprint("h", i%3), lease.SharedPaths(fmt.Sprint("f", i%4)))
			require.Greater(h, l.Token, last)
			last = l.Token
		}
	}},
	{"Fencing/InTheOrderOfGrants", "however many handles grant at once, tokens are in the order of the history and none comes twice", func(h *harness) {
		managers := []lease.Manager{h.M, h.open(), h.open(), h.open()}
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				for j := range 5 {
					_, err := managers[i%len(managers)].TryAcquire(h.Context(), h.request(fmt.Sprint("h", i), lease.Paths(fmt.Sprint("f", i, j))))
					if err != nil {
						h.Error(err)
					}
				}
			})
		}
		all.Wait()
		var last lease.Token
		grants := 0
		for e, err := range h.M.History(h.Context(), lease.Query{All: true, Kinds: []lease.Kind{lease.KindGranted}}) {
			require.NoError(h, err)
			require.Greater(h, e.Lease.Token, last)
			last = e.Lease.Token
			grants++
		}
		require.Equal(h, 60, grants)
	}},
	{"Fencing/JumpsWithTime", "a token is at least the milliseconds of its grant times 1024, so that it rises even over a store that lost its newest ones", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		require.GreaterOrEqual(h, l.Token, lease.Token(l.GrantedAt.UnixMilli())*1024)
	}},
	{"Fencing/OfAWaiter", "a lease that had to wait gets its token when it is granted, and not when it is asked for", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		between := h.hold("c", lease.Paths("g"))
		h.release(held)
		require.Greater(h, w.soon().Token, between.Token)
	}},
	{"Fencing/OneAtATime", "fifty holders on five handles that fight for one path never hold it at the same time, and their tokens rise", oneAtATime},
}, fencingAfter()...)

// fencingAfter makes a case of each thing that some library resets its counter
// at.
func fencingAfter() []testCase {
	var cases []testCase
	for _, between := range []struct {
		name string
		do   func(h *harness, l lease.Lease)
	}{
		{"Release", func(h *harness, l lease.Lease) { h.release(l) }},
		{"Expiry", func(h *harness, l lease.Lease) { h.expire(l) }},
		{"Force", func(h *harness, l lease.Lease) { h.force(lease.Query{ID: l.ID}) }},
		{"Replace", func(h *harness, l lease.Lease) { h.release(h.succeed(l, "heir")) }},
		{"Sweep", func(h *harness, l lease.Lease) {
			h.expire(l)
			_, err := h.M.Sweep(h.Context())
			require.NoError(h, err)
		}},
		{"Config", func(h *harness, l lease.Lease) {
			h.set(func(c *lease.Config) { c.History, c.MaxTTL = false, time.Hour })
			h.gaps = true
			h.release(l)
		}},
		{"Reopening", func(h *harness, l lease.Lease) {
			h.release(l)
			require.NoError(h, h.M.Close())
			h.M = h.open()
		}},
		{"Forgetting", func(h *harness, l lease.Lease) {
			h.release(l)
			h.set(func(c *lease.Config) {
				c.HistoryRetention, c.EndedRetention, c.EndedMax = time.Second, lease.MinEndedRetention, 0
			})
			h.pass(lease.MinEndedRetention + h.patience())
			_, err := h.M.Sweep(h.Context())
			require.NoError(h, err)
			h.gaps = true
		}},
	} {
		cases = append(cases, testCase{
			"Fencing/After" + between.name, "tokens never start anew, whatever ends a lease, is cleaned up or changed",
			func(h *harness) {
				l := h.brief("a", lease.Paths("f"), 5)
				between.do(h, l)
				require.Greater(h, h.hold("b", lease.Paths("f")).Token, l.Token)
			},
		})
	}
	return cases
}

// oneAtATime is the classic: whoever holds the path is alone with it.
func oneAtATime(h *harness) {
	holders, grants := h.rounds(50), int32(h.rounds(500))
	managers := []lease.Manager{h.M, h.open(), h.open(), h.open(), h.open()}
	var inside, done atomic.Int32
	var mu sync.Mutex
	var last lease.Token
	var all sync.WaitGroup
	for i := range holders {
		m := managers[i%len(managers)]
		all.Go(func() {
			for done.Add(1) <= grants {
				r := h.request(fmt.Sprint("h", i), lease.Paths("f"))
				r.Timeout = lease.NoTimeout
				l, err := m.Acquire(h.Context(), r)
				if err != nil {
					h.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					h.Error("two holders at once")
				}
				mu.Lock()
				if l.Token <= last {
					h.Errorf("token %d after %d", l.Token, last)
				}
				last = l.Token
				mu.Unlock()
				inside.Add(-1)
				if err := m.Release(h.Context(), l.Ref()); err != nil {
					h.Error(err)
				}
			}
		})
	}
	all.Wait()
	h.counts(0, 0)
}
