package conformance

import (
	"fmt"
	"slices"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// togetherCases: calls that are made at the same moment. A store may carry them
// out in one transaction, and read for all of them what one of them then changes.
var togetherCases = []testCase{
	{"Together/OneEnd", "of calls made together that end a lease, each in its own way, one does, which is recorded once, and the others are told so", endsTogether},
}

// endsTogether makes calls about one lease together with others that end it by
// another name.
func endsTogether(h *harness) {
	h.manualSweep()
	ctx, managers := h.Context(), []lease.Manager{h.M, h.open()}
	beside := h.hold("bystander", lease.Paths("beside"))
	for round := range h.rounds(14) {
		m := managers[round/4%2] // one of them: what comes through another handle is another transaction
		for _, way := range []struct {
			name    string
			expires bool
			end     func(l lease.Lease, n int)
		}{
			{"met by who wants its path", true, func(l lease.Lease, n int) {
				_, _ = m.TryAcquire(ctx, h.request(fmt.Sprint("x", n), l.Claims))
			}},
			{"met in the way of a tree", true, func(l lease.Lease, n int) {
				_, _ = m.TryAcquire(ctx, h.request(fmt.Sprint("x", n), lease.Trees(l.Claims[0].Path)))
			}},
			{"swept", true, func(lease.Lease, int) { _, _ = m.Sweep(ctx) }},
			{"ended by force", false, func(l lease.Lease, _ int) {
				_, _ = m.ForceRelease(ctx, lease.Query{Path: l.Claims[0].Path, Holder: "a"}, lease.Revocation{Actor: "root"})
			}},
			{"replaced", false, func(l lease.Lease, n int) {
				r := h.request(fmt.Sprint("x", n), l.Claims)
				r.Replace = l.Ref()
				_, _ = m.TryAcquire(ctx, r)
			}},
		} {
			path := lease.Paths(fmt.Sprintf("%s/%d", way.name, round))
			r := h.request("a", path)
			if way.expires {
				r.TTL = h.units(1)
			}
			l := h.acquire(h.M, r)
			r.ID = l.ID
			if way.expires {
				h.expire(l)
			}
			var all sync.WaitGroup
			for n := range 6 {
				// They are about neither: a store may read for the others with them.
				all.Go(func() { _, _ = m.Renew(ctx, beside.Ref(), 0) })
				all.Go(func() {
					_, _ = m.TryAcquire(ctx, h.request("bystander", lease.Paths(fmt.Sprintf("beside/%s/%d/%d", way.name, round, n))))
				})
				all.Go(func() { way.end(l, n) })
				all.Go(func() {
					switch round % 4 {
					case 0:
						_, _ = m.Renew(ctx, l.Ref(), 0)
					case 1:
						_ = m.Release(ctx, l.Ref())
					default: // it is as urgent as what ends the lease
						_, _ = m.TryAcquire(ctx, r)
					}
				})
			}
			all.Wait()
			kinds := slices.DeleteFunc(h.kinds(l.ID), func(k lease.Kind) bool {
				return k == lease.KindRenewed || k == lease.KindRelabelled
			})
			require.Len(h, kinds, 2, "what is %s ends once: %v", way.name, kinds)
		}
	}
}
