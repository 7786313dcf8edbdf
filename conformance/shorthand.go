package conformance

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// request returns a request with a TTL that no case lives to see the end of.
func (h *harness) request(holder string, claims []lease.Claim) lease.Request {
	return lease.Request{Holder: holder, Claims: claims, TTL: h.units(600)}
}

// hold grants the claims to the holder, for longer than the case lasts.
func (h *harness) hold(holder string, claims []lease.Claim) lease.Lease {
	h.Helper()
	return h.acquire(h.M, h.request(holder, claims))
}

// brief grants the claims to the holder for n units.
func (h *harness) brief(holder string, claims []lease.Claim, n int) lease.Lease {
	h.Helper()
	r := h.request(holder, claims)
	r.TTL = h.units(n)
	return h.acquire(h.M, r)
}

// queue starts a call of Acquire that gets a place in line.
func (h *harness) queue(holder string, claims []lease.Claim) *waiting {
	h.Helper()
	return h.wait(h.M, h.request(holder, claims))
}

// denied requires that the holder is refused the claims.
func (h *harness) denied(holder string, claims []lease.Claim) *lease.ConflictError {
	h.Helper()
	return h.refused(h.M, h.request(holder, claims))
}

// release ends a lease.
func (h *harness) release(l lease.Lease) {
	h.Helper()
	require.NoError(h, h.M.Release(h.Context(), l.Ref()))
}

// expire lets time pass until the lease, granted a moment ago, has ended.
func (h *harness) expire(l lease.Lease) {
	h.pass(l.TTL + resolution)
}

// resolution is that of the stores' clocks: what ends may end this much late,
// and never early.
const resolution = 2 * time.Millisecond

// patience bounds what takes no time by the rules: a wake-up, a clean-up. It is
// far shorter than the heartbeat of a waiter (Config.WaiterTTL / 3), which
// would hide that no wake-up came.
func (h *harness) patience() time.Duration {
	if h.fixture.RealTime {
		return h.units(8)
	}
	return h.units(3)
}

// doubt is how long before and after the end of a long wait a case looks: in real
// time a busy machine may be late by some of it.
func (h *harness) doubt() time.Duration { return 3 * h.patience() }

// soon requires that the call is granted now, by a wake-up.
func (w *waiting) soon() lease.Lease {
	w.h.Helper()
	w.returns()
	return w.granted()
}

// returns requires that the call returns now.
func (w *waiting) returns() {
	w.h.Helper()
	select {
	case <-w.done:
	case <-time.After(w.h.patience()):
		w.h.Fatalf("%s still waits", w.ID)
	}
}

// eventually requires that something becomes true now, though in the
// background.
func (h *harness) eventually(what string, met func() bool) {
	h.Helper()
	for end := time.Now().Add(h.patience()); ; {
		h.settle()
		if met() {
			return
		}
		if time.Now().After(end) {
			h.Fatalf("not so: %s", what)
		}
		h.pass(h.Unit / 20)
	}
}

// rounds scales how often a case does something: where the store's clock is real
// or the race detector slows it down, a fifth has to do.
func (h *harness) rounds(n int) int {
	if h.fixture.RealTime || underRace {
		return n / 5
	}
	return n
}

// capTTL caps TTLs, and those of the configuration itself.
func (h *harness) capTTL(most time.Duration) {
	h.Helper()
	h.set(func(c *lease.Config) { c.MaxTTL, c.DefaultTTL, c.KeepTTL = most, most, min(most, c.KeepTTL) })
}

// set changes the configuration through another handle.
func (h *harness) set(change func(*lease.Config)) {
	h.Helper()
	c, err := h.M.Config(h.Context())
	require.NoError(h, err)
	change(&c)
	_, err = h.M.SetConfig(h.Context(), c)
	require.NoError(h, err)
}

// get returns what is known of a request.
func (h *harness) get(id lease.ID) lease.Lease {
	h.Helper()
	l, err := h.M.Get(h.Context(), id)
	require.NoError(h, err)
	return l
}

// counts requires so many active leases and waiters.
func (h *harness) counts(active, pending int) {
	h.Helper()
	s, err := h.M.Stats(h.Context())
	require.NoError(h, err)
	require.Equal(h, [2]int{active, pending}, [2]int{s.Active, s.Pending}, "active, pending")
}

// kinds returns what the history says of a request, in order.
func (h *harness) kinds(id lease.ID) []lease.Kind {
	h.Helper()
	var kinds []lease.Kind
	for e, err := range h.M.History(h.Context(), lease.Query{ID: id}) {
		require.NoError(h, err)
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// lost requires a lease.LostError of this kind.
func (h *harness) lost(err, kind error) *lease.LostError {
	h.Helper()
	require.ErrorIs(h, err, kind)
	require.ErrorIs(h, err, lease.ErrLost)
	var lost *lease.LostError
	require.ErrorAs(h, err, &lost)
	return lost
}

// invalid requires a lease.InvalidError for this field.
func (h *harness) invalid(err error, field string) {
	h.Helper()
	require.ErrorIs(h, err, lease.ErrInvalid)
	var invalid *lease.InvalidError
	require.ErrorAs(h, err, &invalid)
	require.Equal(h, field, invalid.Field)
}

// end is a way in which a lease ends.
type end struct {
	name string
	err  error // what its holder is told afterwards
	make func(h *harness, l lease.Lease)
	told func(h *harness, l lease.Lease, e *lease.LostError) // what else; may be nil
}

// ends are all of them. The lease to end must have a TTL of at most a few units
// (see brief).
var ends = []end{
	{"Expired", lease.ErrExpired, func(h *harness, l lease.Lease) { h.expire(l) }, nil},
	{"Released", lease.ErrReleased, func(h *harness, l lease.Lease) { h.release(l) }, nil},
	{"Revoked", lease.ErrRevoked, func(h *harness, l lease.Lease) {
		ended, err := h.M.ForceRelease(h.Context(), lease.Query{ID: l.ID}, lease.Revocation{Actor: "root", Reason: "stuck"})
		require.NoError(h, err)
		require.Len(h, ended, 1)
	}, func(h *harness, _ lease.Lease, e *lease.LostError) {
		require.Equal(h, [2]string{"root", "stuck"}, [2]string{e.Actor, e.Reason})
	}},
	{"Replaced", lease.ErrReplaced, func(h *harness, l lease.Lease) { h.succeed(l, l.Holder) }, toldSuccessor},
	{"Transferred", lease.ErrReplaced, func(h *harness, l lease.Lease) { h.succeed(l, "heir") }, toldSuccessor},
}

// succeed replaces a lease by one of the same claims, of this holder.
func (h *harness) succeed(l lease.Lease, holder string) lease.Lease {
	h.Helper()
	r := h.request(holder, l.Claims)
	r.ID, r.Replace = l.ID+"-successor", l.Ref()
	return h.acquire(h.M, r)
}

func toldSuccessor(h *harness, l lease.Lease, e *lease.LostError) {
	h.Helper()
	require.Equal(h, l.ID+"-successor", e.Successor)
}

// check requires that err tells how the lease ended.
func (e end) check(h *harness, l lease.Lease, err error) {
	h.Helper()
	lost := h.lost(err, e.err)
	if e.told != nil {
		e.told(h, l, lost)
	}
}

// forEachEnd makes a case of each way in which a lease can end.
func forEachEnd(prefix, why string, run func(h *harness, e end)) []testCase {
	cases := make([]testCase, len(ends))
	for i, e := range ends {
		cases[i] = testCase{prefix + e.name, why, func(h *harness) { run(h, e) }}
	}
	return cases
}
