package conformance

import (
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// clockLoadCases run in real time on every store: a store that reads its clock
// before it has its lock is wrong only while calls wait for each other.
var clockLoadCases = []testCase{
	{"ClockLoad/NoGainNoLoss", "under load the store's clock runs as fast as time does", func(h *harness) {
		const workers, handles = 16, 2
		var stores [handles]direct
		for n := range stores {
			stores[n] = h.direct()
		}
		read := func() (now time.Time, before, after time.Time) {
			before = time.Now()
			stats, err := stores[0].Stats(h.Context())
			require.NoError(h, err)
			return stats.Now, before, time.Now()
		}
		began, early, first := read()
		var load sync.WaitGroup
		args := stores[0].args(h.request("", lease.Paths("f")), "", 0)
		for n := range workers {
			load.Go(func() {
				for i := 0; time.Since(early) < time.Second/2; i++ {
					a, d := args, stores[n%handles]
					a.Request.ID, a.Request.Holder = lease.NewID(), fmt.Sprintf("h%d", n)
					a.Request.Claims, a.Attempt = lease.Paths(fmt.Sprintf("f%d", n)), string(a.Request.ID)
					reply, err := d.Acquire(h.Context(), a)
					if err != nil || reply.Outcome != backend.Done {
						h.Errorf("outcome %d, %v", reply.Outcome, err)
						return
					}
					if _, err := d.Release(h.Context(), backend.ReleaseArgs{Ref: reply.Lease.Ref()}); err != nil {
						h.Error(err)
						return
					}
					if _, err := d.Stats(h.Context()); err != nil { // a look must not move the clock either
						h.Error(err)
						return
					}
				}
			})
		}
		load.Wait()
		ended, late, last := read()
		require.LessOrEqual(h, ended.Sub(began), last.Sub(early)+resolution, "the clock gained")
		require.GreaterOrEqual(h, ended.Sub(began), late.Sub(first)-resolution, "the clock lost")
	}},
}
