package conformance

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/everycall"
	"github.com/leasekit/leasekit/lease"
)

// closeLimit is how long it takes at most to close a Manager, in units: a
// second, or two where the clock is real.
const closeLimit = 10

// shutdownCases: how a process goes.
var shutdownCases = []testCase{
	{"Shutdown/InFullSwing", "closing a Manager ends at once all that runs through it, with ErrClosed, and leaves behind only leases, which end by themselves", func(h *harness) {
		m := h.open()
		b := h.bustle(m)
		h.closes(m)
		for what, err := range b.ends() {
			require.ErrorIs(h, err, lease.ErrClosed, what)
			require.NotErrorIs(h, err, lease.ErrLost, what)
		}
		h.counts(2, 0)
		h.sleep(short)
		h.pass(resolution)
		h.free("done")
		h.free("kept")
	}},
	{"Shutdown/StoreOutOfReach", "closing a Manager takes no longer when the store does not answer, whatever is asked of it; leases and places in line then end by themselves", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(2 * short) })
		faults, m := h.faulty(FaultOptions{Faults: []Fault{Stall}})
		b := h.bustle(m)
		faults.SetRate(1)
		calls := h.stuck(m)
		h.sleep(short / 2) // for calls to hang
		h.closes(m)
		for what, err := range b.ends() {
			require.ErrorIs(h, err, lease.ErrClosed, what)
		}
		for what, err := range calls {
			require.ErrorIs(h, <-err, lease.ErrClosed, what)
		}
		h.sleep(2 * short)
		h.pass(resolution)
		h.free("done")
		h.acquire(h.M, h.request("c", lease.Paths("kept")))
	}},
	{"Shutdown/GrantOnItsWay", "a grant that does not arrive before a closed Manager gives up is taken back", func(h *harness) {
		faults, m := h.faulty(FaultOptions{Delay: h.units(10 * closeLimit)})
		r := h.request("a", lease.Paths("f"))
		r.ID = "one"
		faults.Next(OpAcquire, Late)
		done := make(chan error, 1)
		go func() {
			_, err := m.TryAcquire(h.Context(), r)
			done <- err
		}()
		h.eventually("it is granted", func() bool { l, err := h.M.Get(h.Context(), r.ID); return err == nil && l.Status == lease.Active })
		h.closes(m)
		require.ErrorIs(h, <-done, lease.ErrClosed)
		require.Equal(h, lease.EndCancelled, h.get(r.ID).EndReason)
	}},
	{"Shutdown/ReleaseAllFirst", "who releases everything before it closes leaves nothing behind: the next in line gets it at once", func(h *harness) {
		m := h.open()
		k := h.keeper(m)
		var next []*waiting
		for i := range 5 {
			path := lease.Paths(fmt.Sprint(i))
			h.keep(k, m, h.shortly("a", path), nil)
			next = append(next, h.queue(fmt.Sprint("next-", i), path))
		}
		require.NoError(h, k.ReleaseAll(h.Context()))
		h.closes(m)
		for _, w := range next {
			w.soon()
		}
		h.counts(len(next), 0)
	}},
	{"Shutdown/OneIsLost", "a lease that cannot be released does not keep the others, and is the one that the error names", func(h *harness) {
		k := h.keeper(h.M)
		var lost lease.Lease
		for i := range 5 {
			held := h.keep(k, h.M, h.shortly("a", lease.Paths(fmt.Sprint(i))), nil)
			if i == 2 {
				lost = held.Lease()
			}
		}
		_, err := h.M.ForceRelease(h.Context(), lease.Query{ID: lost.ID}, lease.Revocation{Actor: "root"})
		require.NoError(h, err)
		require.Equal(h, lost.ID, h.lost(k.ReleaseAll(h.Context()), lease.ErrRevoked).Ref.ID)
		h.counts(0, 0)
	}},
}

// closes requires that the Manager closes in time.
func (h *harness) closes(m lease.Manager) {
	h.Helper()
	start := time.Now()
	require.NoError(h, m.Close())
	limit := h.units(closeLimit) + resolution
	if h.fixture.RealTime {
		limit += h.patience() // of a busy machine
	}
	require.LessOrEqual(h, time.Since(start), limit)
}

// stuck starts one call of each kind, and returns where their errors come.
func (h *harness) stuck(m lease.Manager) map[string]<-chan error {
	ref := lease.Ref{ID: "one", Holder: "a", Token: 1}
	errs := map[string]<-chan error{}
	for what, call := range everycall.Of(m, h.request("a", lease.Paths("g")), ref) {
		done := make(chan error, 1)
		go func() { done <- call(h.Context()) }()
		errs[what] = done
	}
	return errs
}

func lastError[T any](all iter.Seq2[T, error]) (last error) {
	for _, err := range all {
		last = err
	}
	return last
}

// bustle is what runs through a Manager: a function under a lease, a lease that
// is kept, a call that waits in line, and a watch.
type bustle struct {
	h     *harness
	do    chan error
	held  *lease.Held
	wait  *waiting
	watch *watching
}

// bustle starts it, on paths of its own and one that another handle holds.
func (h *harness) bustle(m lease.Manager) *bustle {
	h.Helper()
	b := &bustle{h: h, do: make(chan error, 1)}
	began := make(chan struct{})
	over := sync.OnceFunc(func() { close(began) })
	go func() {
		defer over() // whatever happened
		b.do <- lease.Do(h.Context(), m, h.shortly("a", lease.Paths("done")), func(ctx context.Context, _ lease.Lease) error {
			over()
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}()
	<-began
	b.held = h.keep(h.keeper(m), m, h.shortly("a", lease.Paths("kept")), nil)
	b.wait = h.wait(m, h.request("b", lease.Paths("kept")))
	b.watch = h.watch(m, lease.Query{After: lease.Now})
	h.began(b.watch)
	return b
}

// ends returns how each has ended, which it has to soon.
func (b *bustle) ends() map[string]error {
	b.h.Helper()
	b.wait.returns()
	ends := map[string]error{"Acquire": b.wait.err, "Watch": b.watch.ends()}
	late := time.After(b.h.patience())
	select {
	case ends["Do"] = <-b.do:
	case <-late:
		b.h.Fatal("Do has not ended")
	}
	select {
	case <-b.held.Context().Done():
	case <-late:
		b.h.Fatal("the context of what was kept has not ended")
	}
	ends["Keeper"] = b.held.Err()
	return ends
}
