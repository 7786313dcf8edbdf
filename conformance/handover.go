package conformance

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// handoverCases: whatever lets a waiter be granted wakes it, and only few ask
// in vain.
var handoverCases = []testCase{
	{"Handover/ManyReaders", "all of many who can share what is released get it, without waiting for their next ask", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		var readers []*waiting
		for i := range 150 {
			readers = append(readers, h.wait(h.M, h.request(fmt.Sprint("r", i), lease.SharedPaths("f"))))
		}
		h.release(held)
		for _, r := range readers {
			r.soon()
		}
	}},
	{"Handover/ByRelease", "a release grants the next in line at once, on whatever handle it waits", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		w := h.wait(h.open(), h.request("b", lease.Paths("f")))
		h.release(held)
		w.soon()
	}},
	{"Handover/ByTheLaterLease", "a waiter that two leases are in the way of is granted at once when the last is released, though that one came after it", func(h *harness) {
		first := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f", "g"))
		later := h.hold("a", lease.Paths("g")) // the waiter waits for its holder, so it passes
		h.release(first)
		w.stillWaits()
		h.release(later)
		w.soon()
	}},
	{"Handover/BehindATree", "who asks for a path in a tree that another waits for stands behind it", func(h *harness) {
		held := h.hold("a", lease.Paths("d/x"))
		tree := h.queue("b", lease.Trees("d"))
		h.denied("c", lease.Paths("d/y"))
		h.denied("c", lease.Paths("e", "d/y/z"))
		h.denied("c", lease.SharedTrees("d/y"))
		w := h.queue("c", lease.Paths("d/y"))
		h.release(held)
		h.release(tree.soon())
		w.soon()
	}},
	{"Handover/ByExpiry", "a waiter is granted when the lease in its way expires, not before and hardly after, with nobody sweeping", func(h *harness) {
		h.set(func(c *lease.Config) { c.AutoSweep = false })
		held := h.brief("a", lease.Paths("f"), 4)
		l := h.queue("b", lease.Paths("f")).granted()
		require.False(h, l.GrantedAt.Before(held.ExpiresAt))
		require.Less(h, l.GrantedAt.Sub(held.ExpiresAt), h.patience())
		require.False(h, held.Valid())
	}},
	{"Handover/ByExpiryUnhinted", "the same if every hint gets lost: a waiter has its own clock", func(h *harness) {
		faults := NewFaults(h.fixture.Open(h.TB), FaultOptions{})
		faults.DropHints(true)
		held := h.brief("a", lease.Paths("f"), 4)
		l := h.wait(h.manage(faults, nil), h.request("b", lease.Paths("f"))).granted()
		require.Less(h, l.GrantedAt.Sub(held.ExpiresAt), h.patience())
	}},
	{"Handover/ByExpiryOfTheNext", "who waits behind a waiter that is granted a short lease and dies is granted at that lease's end", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		next := h.request("b", lease.Paths("f"))
		next.TTL = h.units(4)
		dies := h.wait(h.M, next)
		w := h.queue("c", lease.Paths("f"))
		h.release(held)
		dead := dies.granted()
		require.Less(h, w.granted().GrantedAt.Sub(dead.ExpiresAt), h.patience())
	}},
	{"Handover/ByReleaseUnhinted", "a lost hint costs time, never the grant: a waiter asks again at its heartbeat", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(6) })
		faults := NewFaults(h.fixture.Open(h.TB), FaultOptions{})
		faults.DropHints(true)
		held := h.hold("a", lease.Paths("f"))
		w := h.wait(h.manage(faults, nil), h.request("b", lease.Paths("f")))
		start := time.Now()
		h.release(held)
		w.granted()
		require.Less(h, time.Since(start), h.units(2)+h.patience())
	}},
	{"Handover/ByForce", "a forced release grants the next in line at once", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		_, err := h.M.ForceRelease(h.Context(), lease.Query{ID: held.ID}, lease.Revocation{Actor: "root"})
		require.NoError(h, err)
		w.soon()
	}},
	{"Handover/ByDowngrade", "giving up exclusivity lets readers in at once", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		readers := []*waiting{h.queue("r1", lease.SharedPaths("f")), h.queue("r2", lease.SharedPaths("f"))}
		writer := h.queue("w", lease.Paths("f"))
		down := h.request("a", lease.SharedPaths("f"))
		down.Replace = held.Ref()
		h.acquire(h.M, down)
		for _, r := range readers {
			r.soon()
		}
		writer.stillWaits()
	}},
	{"Handover/ByShrinking", "giving up some of the paths lets those in who wait for them", func(h *harness) {
		held := h.hold("a", append(lease.Trees("d"), lease.Paths("f", "g")...))
		below, path, kept := h.queue("b", lease.Paths("d/x")), h.queue("c", lease.Paths("f")), h.queue("e", lease.Paths("g"))
		less := h.request("a", lease.Paths("g"))
		less.Replace = held.Ref()
		h.acquire(h.M, less)
		below.soon()
		path.soon()
		kept.stillWaits()
	}},
	{"Handover/ByAShorterTTL", "a waiter that counted on a later expiry learns that it was moved forward", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		shorter, err := h.M.Renew(h.Context(), held.Ref(), h.units(3))
		require.NoError(h, err)
		l := w.granted()
		require.False(h, l.GrantedAt.Before(shorter.ExpiresAt))
		require.Less(h, l.GrantedAt.Sub(shorter.ExpiresAt), h.patience())
	}},
	{"Handover/ByACancelledWaiter", "a waiter that gives up lets those behind it move at once", func(h *harness) {
		h.hold("a", lease.SharedPaths("f"))
		writer := h.queue("w", lease.Paths("f"))
		readers := []*waiting{h.queue("r1", lease.SharedPaths("f")), h.wait(h.open(), h.request("r2", lease.SharedPaths("f")))}
		readers[0].stillWaits()
		writer.cancel()
		for _, r := range readers {
			r.soon()
		}
	}},
	{"Handover/ByATimedOutWaiter", "a waiter that times out lets those behind it move at once", func(h *harness) {
		h.hold("a", lease.SharedPaths("f"))
		r := h.request("w", lease.Paths("f"))
		r.Timeout = h.units(2)
		writer := h.wait(h.M, r)
		reader := h.queue("r", lease.SharedPaths("f"))
		writer.failed(lease.ErrTimeout)
		reader.soon()
	}},
	{"Handover/ByARevokedWaiter", "a waiter that is force-released lets those behind it move at once, and learns of it", func(h *harness) {
		h.hold("a", lease.SharedPaths("f"))
		writer := h.queue("w", lease.Paths("f"))
		reader := h.queue("r", lease.SharedPaths("f"))
		_, err := h.M.ForceRelease(h.Context(), lease.Query{Holder: "w"}, lease.Revocation{Actor: "root", Reason: "stuck"})
		require.NoError(h, err)
		reader.soon()
		writer.returns()
		require.Equal(h, "stuck", h.lost(writer.failed(lease.ErrRevoked), lease.ErrRevoked).Reason)
	}},
	{"Handover/ByADeadlock", "a waiter that leaves with ErrDeadlock lets those behind it move at once", func(h *harness) {
		d := h.direct()
		h.hold("a", lease.Paths("x"))
		h.hold("b", lease.Paths("y"))
		blind := d.args(h.request("b", lease.Paths("x", "v")), "blind", h.units(100))
		blind.Deadlock = false
		d.ask(blind)
		behind := h.queue("c", lease.Paths("v"))
		second := d.args(h.request("a", lease.Paths("y")), "second", h.units(100))
		second.Deadlock = false
		d.ask(second)
		behind.stillWaits()
		blind.Deadlock, blind.Again = true, true
		require.Equal(h, backend.Deadlocked, d.ask(blind).Outcome)
		behind.soon()
	}},
	{"Handover/BySweep", "a sweep that records an expiry wakes who waited for it", func(h *harness) {
		held := h.brief("a", lease.Paths("f"), 2)
		w := h.queue("b", lease.Paths("f"))
		h.expire(held)
		_, err := h.M.Sweep(h.Context())
		require.NoError(h, err)
		w.soon()
	}},
	{"Handover/DeadWaitersAtOnce", "any number of dead waiters are skipped when their time is over, all at once: the next live one is granted within one heartbeat", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(6) })
		d := h.direct()
		held := h.hold("a", lease.Paths("f"))
		for i := range 10 {
			d.queued(h.request(fmt.Sprint("dead", i), lease.Paths("f")), fmt.Sprint("dead", i), h.units(4))
		}
		start := time.Now()
		alive := h.queue("alive", lease.Paths("f"))
		h.release(held)
		alive.granted()
		require.Less(h, time.Since(start), h.units(4+2)+h.patience())
		h.counts(1, 0)
	}},
	{"Handover/DeadWaiterInPassing", "a waiter behind a dead one that no lease blocks is granted as soon as that one's time is over", func(h *harness) {
		d := h.direct()
		h.hold("a", lease.SharedPaths("f"))
		dead := d.queued(h.request("dead", lease.Paths("f")), "dead", h.units(4))
		start := time.Now()
		l := h.queue("r", lease.SharedPaths("f")).granted()
		require.Less(h, time.Since(start), h.units(4)+h.patience())
		require.False(h, l.GrantedAt.Before(h.get(dead.Request.ID).ExpiresAt))
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindLapsed}, h.kinds(dead.Request.ID))
	}},
	{"Handover/HeartbeatKeepsThePlace", "a live waiter keeps its place for as long as it waits, however short the time of a dead one", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(6) })
		held := h.hold("a", lease.Paths("f"))
		first, second := h.queue("b", lease.Paths("f")), h.wait(h.open(), h.request("c", lease.Paths("f")))
		h.sleep(10)
		h.release(held)
		h.release(first.soon())
		second.soon()
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindGranted}, h.kinds(second.ID))
	}},
	{"Handover/InTheGap", "a release between a waiter's first ask and its rest is not missed: who comes while the path is being freed gets it at once", func(h *harness) {
		other := h.open()
		for range h.rounds(1000) {
			held := h.hold("a", lease.Paths("f"))
			go func() { _ = h.M.Release(h.Context(), held.Ref()) }()
			start := time.Now()
			l, err := other.Acquire(h.Context(), h.request("b", lease.Paths("f")))
			require.NoError(h, err)
			require.Less(h, time.Since(start), h.patience())
			h.release(l)
		}
	}},
	{"Handover/FewAsks", "of a crowd that waits for one path few ask at each hand-over: no herd", fewAsks},
	{"Handover/IdleAsks", "who waits in vain hardly asks: its heartbeats, and no more", func(h *harness) {
		faults := NewFaults(h.fixture.Open(h.TB), FaultOptions{})
		m := h.manage(faults, nil)
		h.hold("a", lease.Trees("d"))
		r := h.request("b", lease.Paths("d/f"))
		r.Timeout = lease.NoTimeout
		h.wait(m, r)
		h.pass(50 * time.Second)
		require.LessOrEqual(h, faults.Calls(OpAcquire), idleAsks)
	}},
}

// asksPerHandover is the bound of Handover/FewAsks: the waiter that is granted
// asks once, and at most one other may be woken in vain.
const asksPerHandover = 2

// idleAsks is the bound of Handover/IdleAsks: 50 s of heartbeats every 3.3 s,
// the first ask, and a few in vain.
const idleAsks = 20

func fewAsks(h *harness) {
	h.set(func(c *lease.Config) { c.WaiterTTL = time.Hour }) // no heartbeats among the asks
	const crowd = 100
	faults := []*Faults{NewFaults(h.fixture.Open(h.TB), FaultOptions{}), NewFaults(h.fixture.Open(h.TB), FaultOptions{})}
	managers := []lease.Manager{h.manage(faults[0], nil), h.manage(faults[1], nil)}
	held := h.hold("first", lease.Paths("f"))
	var line []*waiting
	for i := range crowd {
		r := h.request(fmt.Sprint("h", i), lease.Paths("f"))
		r.Timeout, r.TTL = lease.NoTimeout, 2*time.Hour // a place lasts no longer than the TTL
		line = append(line, h.wait(managers[i%2], r))
	}
	before := faults[0].Calls(OpAcquire) + faults[1].Calls(OpAcquire)
	for _, w := range line {
		h.release(held)
		held = w.soon()
	}
	asks := faults[0].Calls(OpAcquire) + faults[1].Calls(OpAcquire) - before
	require.LessOrEqual(h, asks, asksPerHandover*crowd)
}
