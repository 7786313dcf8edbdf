package conformance

import (
	"context"
	"errors"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// timeoutCases: how long a call of Acquire waits.
var timeoutCases = []testCase{
	{"Timeout/TimesOut", "a wait ends with ErrTimeout when its Timeout has run out: not before, with who was in the way, and with nothing left in line", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.ID, r.Timeout = "one", h.units(3)
		start := time.Now()
		_, err := h.M.Acquire(h.Context(), r)
		took := time.Since(start)
		require.ErrorIs(h, err, lease.ErrTimeout)
		require.ErrorIs(h, err, lease.ErrConflict)
		require.False(h, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, lease.ErrDeadlock))
		require.GreaterOrEqual(h, took, h.units(3))
		require.Less(h, took, h.units(3)+h.patience())
		var conflict *lease.ConflictError
		require.ErrorAs(h, err, &conflict)
		require.Equal(h, held.ID, conflict.Blockers[0].ID)
		require.Equal(h, lease.EndTimeout, h.get("one").EndReason)
		h.counts(1, 0)
	}},
	{"Timeout/LongerThanTheTTL", "how long a request waits and how long its lease lasts are independent", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.TTL, r.Timeout = h.units(3), h.units(50)
		w := h.wait(h.M, r)
		h.sleep(6)
		h.release(held)
		l := w.soon()
		require.GreaterOrEqual(h, l.ExpiresAt.Sub(l.GrantedAt), h.units(3))
	}},
	{"Timeout/ShorterThanTheTTL", "a short wait for a long lease ends by the Timeout", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.Timeout = h.units(1)
		_, err := h.M.Acquire(h.Context(), r)
		require.ErrorIs(h, err, lease.ErrTimeout)
	}},
	{"Timeout/Default", "a request without a Timeout waits for Config.AcquireTimeout", func(h *harness) {
		h.set(func(c *lease.Config) { c.AcquireTimeout = h.units(3) })
		h.hold("a", lease.Paths("f"))
		start := time.Now()
		_, err := h.M.Acquire(h.Context(), h.request("b", lease.Paths("f")))
		require.ErrorIs(h, err, lease.ErrTimeout)
		require.GreaterOrEqual(h, time.Since(start), h.units(3))
	}},
	{"Timeout/None", "a request with NoTimeout waits on", func(h *harness) {
		h.set(func(c *lease.Config) { c.AcquireTimeout = h.units(1) })
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.Timeout = lease.NoTimeout
		w := h.wait(h.M, r)
		h.sleep(6)
		w.stillWaits()
		h.release(held)
		w.soon()
	}},
	{"Timeout/LongWait", "a wait of a hundred heartbeats is a wait like any other", func(h *harness) {
		const heartbeat = time.Second
		const long = 100 * heartbeat
		h.set(func(c *lease.Config) { c.WaiterTTL = 3 * heartbeat })
		held := h.request("a", lease.Paths("f"))
		held.TTL = long + h.doubt()
		h.acquire(h.M, held)
		r := h.request("b", lease.Paths("f"))
		r.Timeout = lease.NoTimeout
		l := h.wait(h.M, r).granted()
		require.GreaterOrEqual(h, l.Waited, long)
		require.Less(h, l.Waited, held.TTL+h.patience())
	}},
	{"Timeout/BlockersInOrder", "who timed out learns of the leases in its way first, then of the waiters before it in order", func(h *harness) {
		h.hold("a", lease.SharedPaths("e", "f"))
		h.queue("w1", lease.Paths("f"))
		h.queue("w2", lease.Paths("e"))
		r := h.request("b", lease.Paths("e", "f"))
		r.Timeout = h.units(2)
		_, err := h.M.Acquire(h.Context(), r)
		var conflict *lease.ConflictError
		require.ErrorAs(h, err, &conflict)
		var holders []string
		for _, b := range conflict.Blockers {
			holders = append(holders, b.Holder)
		}
		require.Equal(h, []string{"a", "w1", "w2"}, holders)
		require.Equal(h, 3, conflict.Count)
		require.Zero(h, conflict.Position, "it has no place any more")
	}},
	{"Timeout/FreePath", "a path that is free is granted whatever the Timeout", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.Timeout = time.Millisecond
		_, err := h.M.Acquire(h.Context(), r)
		require.NoError(h, err)
	}},
	{"Timeout/FreshLease", "the lease of a long wait lasts from its grant, not from its request", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.TTL = h.units(4)
		w := h.wait(h.M, r)
		h.sleep(6)
		h.release(held)
		l := w.soon()
		require.Greater(h, l.Remaining(), time.Duration(0))
		require.True(h, l.Valid())
	}},
}
