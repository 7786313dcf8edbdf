package conformance

import (
	"encoding/json"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// historyCases: what is recorded, when, and as what.
var historyCases = []testCase{
	{"History/Granted", "a grant is recorded in the same step: dated when it was made, with the lease as it then was", func(h *harness) {
		r := h.request("a", lease.Paths("f", "g"))
		r.Labels = map[string]string{"branch": "main"}
		l := h.acquire(h.M, r)
		e := h.only(lease.Query{ID: l.ID})
		require.Equal(h, lease.KindGranted, e.Kind)
		h.sameTime(l.GrantedAt, e.At)
		h.sameLease(l, e.Lease)
	}},
	{"History/Queued", "a place in line is recorded at its arrival, without a token, and the grant afterwards tells how long it waited", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		h.sleep(2)
		h.release(held)
		l := w.soon()
		events := h.events(lease.Query{ID: w.ID, All: true})
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindGranted}, kindsOf(events))
		queued, granted := events[0], events[1]
		require.Equal(h, lease.Pending, queued.Lease.Status)
		require.Zero(h, queued.Lease.Token)
		h.sameTime(queued.At, queued.Lease.CreatedAt)
		h.sameTime(queued.At, granted.Lease.CreatedAt)
		require.Equal(h, granted.At.Sub(queued.At), granted.Lease.Waited)
		require.GreaterOrEqual(h, granted.Lease.Waited, h.units(2))
		h.sameTime(l.GrantedAt, granted.At)
	}},
	{"History/Renewed", "a renewal is recorded with the new expiry, the count and the same token", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		h.sleep(1)
		renewed, err := h.M.Renew(h.Context(), l.Ref(), h.units(900))
		require.NoError(h, err)
		e := h.only(lease.Query{ID: l.ID, Kinds: []lease.Kind{lease.KindRenewed}})
		require.Equal(h, 1, e.Lease.Renewals)
		require.Equal(h, l.Token, e.Lease.Token)
		h.sameTime(renewed.ExpiresAt, e.Lease.ExpiresAt)
		require.True(h, e.At.After(l.GrantedAt))
	}},
	{"History/Released", "a release is recorded as the lease's last event", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		h.release(l)
		events := h.events(lease.Query{ID: l.ID})
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindReleased}, kindsOf(events))
		require.Equal(h, lease.Released, events[1].Lease.Status)
		require.Equal(h, lease.EndReleased, events[1].Lease.EndReason)
	}},
	{"History/ExpiredAt", "an expiry is dated at the deadline, whenever it is found out", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 2)
		h.sleep(6)
		h.sweep()
		e := h.only(lease.Query{ID: l.ID, Kinds: []lease.Kind{lease.KindExpired}})
		h.sameTime(l.ExpiresAt, e.At)
		require.Equal(h, lease.Expired, e.Lease.Status)
		require.Equal(h, lease.EndExpired, e.Lease.EndReason)
	}},
	{"History/LapsedAt", "a dead waiter's place lapses at its deadline, whenever that is found out", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		d := h.direct()
		a := d.queued(lease.Request{Holder: "b", Claims: lease.Paths("f"), TTL: h.units(600)}, "one", h.units(2))
		place := h.get(a.Request.ID)
		h.sleep(6)
		h.sweep()
		e := h.only(lease.Query{ID: a.Request.ID, Kinds: []lease.Kind{lease.KindLapsed}})
		h.sameTime(place.ExpiresAt, e.At)
		require.Equal(h, lease.Failed, e.Lease.Status)
		require.Equal(h, lease.EndLapsed, e.Lease.EndReason)
	}},
	{"History/WithdrawnTimeout", "a wait that timed out is recorded as withdrawn, with that reason", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.Timeout = h.units(2)
		w := h.wait(h.M, r)
		_ = w.failed(lease.ErrTimeout)
		h.withdrawn(w.ID, lease.EndTimeout)
	}},
	{"History/WithdrawnCancelled", "a wait that was cancelled is recorded as withdrawn, with that reason", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		w.cancel()
		<-w.done
		h.withdrawn(w.ID, lease.EndCancelled)
	}},
	{"History/WithdrawnDeadlock", "a deadlock is recorded as the withdrawal of who was told", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		h.hold("b", lease.Paths("g"))
		h.queue("a", lease.Paths("g"))
		w := h.queue("b", lease.Paths("f"))
		_ = w.failed(lease.ErrDeadlock)
		h.withdrawn(w.ID, lease.EndDeadlock)
	}},
	{"History/WithdrawnGrant", "a grant that is taken back is recorded as withdrawn, and frees its path", func(h *harness) {
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "one", 0)
		require.Equal(h, backend.Done, d.ask(a).Outcome)
		d.withdraw(a)
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindWithdrawn}, h.kinds(a.Request.ID))
		h.hold("b", lease.Paths("f"))
	}},
	{"History/Revoked", "a forced release is recorded with who did it, and why", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		h.force(lease.Query{Holder: "a"})
		e := h.only(lease.Query{ID: l.ID, Kinds: []lease.Kind{lease.KindRevoked}})
		require.Equal(h, [2]string{"root", "stuck"}, [2]string{e.Actor, e.Reason})
		require.Equal(h, lease.EndRevoked, e.Lease.EndReason)
	}},
	{"History/Replaced", "a lease replaced by its own holder ends as replaced, in the same step as the grant that names it", func(h *harness) {
		h.replacement("a", lease.KindReplaced, lease.EndReplaced, "")
	}},
	{"History/Transferred", "a lease replaced by another holder's request ends as transferred, by that holder", func(h *harness) {
		h.replacement("b", lease.KindTransferred, lease.EndTransferred, "b")
	}},
	{"History/ReplacedWhileWaiting", "a queued request whose lease to replace has ended is recorded as withdrawn, and never granted", func(h *harness) {
		l := h.hold("a", lease.SharedPaths("f"))
		h.hold("b", lease.SharedPaths("f"))
		r := h.request("a", lease.Paths("f"))
		r.Replace = l.Ref()
		w := h.wait(h.M, r)
		w.stillWaits()
		h.release(l)
		w.returns()
		_ = w.failed(lease.ErrReleased)
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindWithdrawn}, h.kinds(w.ID))
	}},
	{"History/Config", "a change of the configuration is recorded, without a lease", func(h *harness) {
		before := h.stats().Head
		h.set(func(c *lease.Config) { c.DefaultTTL = time.Minute })
		e := h.only(lease.Query{After: before})
		require.Equal(h, lease.KindConfig, e.Kind)
		require.Empty(h, e.Lease.ID)
		require.False(h, e.At.IsZero())
	}},
	{"History/RefusalsAreNot", "a refused try is counted, not recorded", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		before := h.stats()
		h.denied("b", lease.Paths("f"))
		after := h.stats()
		require.Equal(h, before.Head, after.Head)
		require.Equal(h, before.Refused+1, after.Refused)
	}},
	{"History/AnotherHandle", "an event is there for every handle when the call that caused it returns, in the order of the calls", func(h *harness) {
		other := h.open()
		for i, holder := range []string{"a", "b", "c"} {
			l := h.hold(holder, lease.Paths("f"))
			h.release(l)
			events := collect(h, other.History(h.Context(), lease.Query{}))
			require.Len(h, events, 2*(i+1))
			require.Equal(h, l.ID, events[2*i+1].Lease.ID)
			for j := range events[1:] {
				require.Greater(h, events[j+1].Seq, events[j].Seq)
			}
		}
	}},
	{"History/EndsBeforeGrants", "a step that comes across a lease or a waiter whose time is over records that end first", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 2)
		d := h.direct()
		a := d.queued(h.request("b", lease.Paths("f")), "one", h.units(3))
		h.sleep(4)
		h.hold("c", lease.Paths("f"))
		var told []lease.ID
		for _, e := range h.events(lease.Query{Kinds: []lease.Kind{lease.KindExpired, lease.KindLapsed, lease.KindGranted}})[1:] {
			told = append(told, e.Lease.ID)
		}
		require.Len(h, told, 3)
		require.ElementsMatch(h, []lease.ID{l.ID, a.Request.ID}, told[:2])
	}},
	{"History/RepeatsAreNot", "a call that is repeated, and so changes nothing, records nothing", func(h *harness) {
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "one", 0)
		l := d.ask(a).Lease
		renew := backend.RenewArgs{Ref: l.Ref(), MaxTTL: lease.MaxTTL, Op: "op", ConfigVersion: a.ConfigVersion}
		for range 2 {
			d.ask(a)
			_, err := d.Renew(h.Context(), renew)
			require.NoError(h, err)
		}
		for range 2 {
			h.release(l)
		}
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindRenewed, lease.KindReleased}, h.kinds(l.ID))
	}},
	{"History/LooksAreNot", "looking records nothing, not even at what has expired", func(h *harness) {
		l := h.brief("a", lease.Paths("f"), 1)
		h.expire(l)
		before := h.stats().Head
		require.Equal(h, lease.Expired, h.get(l.ID).Status)
		collect(h, h.M.List(h.Context(), lease.Query{}))
		h.events(lease.Query{})
		require.Equal(h, before, h.stats().Head)
	}},
}

// collect returns all that an iterator yields, and requires no error.
func collect[T any](h *harness, seq func(yield func(T, error) bool)) []T {
	h.Helper()
	var all []T
	for v, err := range seq {
		require.NoError(h, err)
		all = append(all, v)
	}
	return all
}

// events returns the history that a query selects.
func (h *harness) events(q lease.Query) []lease.Event {
	h.Helper()
	return collect(h, h.M.History(h.Context(), q))
}

// only returns the one event that a query selects.
func (h *harness) only(q lease.Query) lease.Event {
	h.Helper()
	events := h.events(q)
	require.Len(h, events, 1, "%v", kindsOf(events))
	return events[0]
}

func kindsOf(events []lease.Event) []lease.Kind {
	kinds := make([]lease.Kind, len(events))
	for i, e := range events {
		kinds[i] = e.Kind
	}
	return kinds
}

// withdrawn requires that a request was queued and then withdrawn, and why.
func (h *harness) withdrawn(id lease.ID, why lease.EndReason) {
	h.Helper()
	h.eventually("the withdrawal is recorded", func() bool { return len(h.kinds(id)) == 2 })
	e := h.only(lease.Query{ID: id, Kinds: []lease.Kind{lease.KindWithdrawn}})
	require.Equal(h, lease.Failed, e.Lease.Status)
	require.Equal(h, why, e.Lease.EndReason)
}

// replacement requires that a lease of "a" which heir replaces is recorded so.
func (h *harness) replacement(heir string, kind lease.Kind, why lease.EndReason, actor string) {
	h.Helper()
	old := h.hold("a", lease.Paths("f"))
	before := h.stats().Head
	l := h.succeed(old, heir)
	events := h.events(lease.Query{After: before})
	require.ElementsMatch(h, []lease.Kind{kind, lease.KindGranted}, kindsOf(events))
	for _, e := range events {
		h.sameTime(l.GrantedAt, e.At)
		if e.Kind == lease.KindGranted {
			require.Equal(h, l.ID, e.Lease.ID)
			require.Equal(h, old.ID, e.Lease.Replaced)
			continue
		}
		require.Equal(h, old.ID, e.Lease.ID)
		require.Equal(h, lease.Released, e.Lease.Status)
		require.Equal(h, why, e.Lease.EndReason)
		require.Equal(h, actor, e.Actor)
		require.Empty(h, e.Reason)
	}
}

func (h *harness) sameTime(want, got time.Time) {
	h.Helper()
	require.WithinDuration(h, want, got, 0)
}

// sameLease requires that two leases are the same in all that people see.
func (h *harness) sameLease(want, got lease.Lease) {
	h.Helper()
	text := func(l lease.Lease) string {
		for _, t := range []*time.Time{&l.CreatedAt, &l.GrantedAt, &l.ExpiresAt, &l.UpdatedAt} {
			*t = t.UTC()
		}
		l.Contention = lease.Contention{}
		b, err := json.Marshal(l)
		require.NoError(h, err)
		return string(b)
	}
	require.JSONEq(h, text(want), text(got))
}

func (h *harness) stats() lease.Stats {
	h.Helper()
	s, err := h.M.Stats(h.Context())
	require.NoError(h, err)
	return s
}

// sweep sweeps until there is nothing more to do.
func (h *harness) sweep() lease.SweepResult {
	h.Helper()
	result, err := h.M.Sweep(h.Context())
	require.NoError(h, err)
	return result
}

// force ends by force what a query selects.
func (h *harness) force(q lease.Query) []lease.Lease {
	h.Helper()
	ended, err := h.M.ForceRelease(h.Context(), q, lease.Revocation{Actor: "root", Reason: "stuck"})
	require.NoError(h, err)
	return ended
}
