package conformance

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// goneGrace is how long it may take to notice that a process is gone: long enough
// for a link that is made anew.
const goneGrace = 2 * time.Second

// unnoticed is how much longer those may wait who stand behind one whose end
// nobody notices: they learn when its place lapses at their next heartbeat.
const unnoticed = 10 * time.Second / 3

// goneCases: what waiters leave behind whose process is gone
// ([backend.ConfigReply.NoticesGone]).
var goneCases = []testCase{
	{"Gone/Passed", "a waiter whose process is gone is passed at once where the store says that it notices, and elsewhere when its place lapses", func(h *harness) {
		d := h.direct()
		place, limit := d.goneSoon()
		l := h.hold("a", lease.Paths("f"))
		dead := d.awaits(h.request("dead", lease.Paths("f")), place)
		w := h.queue("b", lease.Paths("f"))
		d.abandon()
		by := time.Now().Add(limit)
		h.release(l)
		got := w.grantedBy(by)
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindLapsed}, h.kinds(dead))
		require.Equal(h, lease.EndLapsed, h.get(dead).EndReason)
		require.Equal(h, lease.Active, h.get(got.ID).Status)
	}},
	{"Gone/AllAtOnce", "those of a process that is gone are passed together, and not one by one", func(h *harness) {
		d := h.direct()
		place, _ := d.goneSoon()
		l := h.hold("a", lease.Paths("f"))
		for range 20 {
			d.awaits(h.request(lease.NewHolder("dead"), lease.Paths("f")), place)
		}
		w := h.queue("b", lease.Paths("f"))
		d.abandon()
		gone := time.Now()
		h.release(l)
		w.granted()
		require.Less(h, time.Since(gone), max(goneGrace, h.units(20)+unnoticed)+h.doubt())
	}},
	{"Gone/AfterItWasTold", "a waiter that was told of its turn, and whose process ends before it asks, is passed soon", func(h *harness) {
		d := h.direct()
		place, limit := d.goneSoon()
		l := h.hold("a", lease.Paths("f"))
		for range 3 {
			d.awaits(h.request(lease.NewHolder("dead"), lease.Paths("f")), place)
		}
		w := h.queue("b", lease.Paths("f"))
		h.release(l)
		h.pass(h.patience()) // all that is on its way arrives while its process lives
		w.stillWaits()
		d.abandon()
		w.grantedBy(time.Now().Add(limit))
	}},
	{"Gone/AfterItToldItself", "a process that gave up a lease, so that one of its own waiters was next, and that ends before this one asks, does not hold up the others", func(h *harness) {
		d := h.direct()
		place, limit := d.goneSoon()
		a := d.args(h.request("dying", lease.Paths("f")), "attempt", 0)
		held := d.ask(a)
		require.Equal(h, backend.Done, held.Outcome)
		d.awaits(h.request("dead", lease.Paths("f")), place)
		w := h.queue("b", lease.Paths("f"))
		_, err := d.Release(h.Context(), backend.ReleaseArgs{Ref: held.Lease.Ref()})
		require.NoError(h, err)
		h.pass(h.patience()) // all that is on its way arrives while its process lives
		w.stillWaits()
		d.abandon()
		w.grantedBy(time.Now().Add(limit))
	}},
	{"Gone/TheLivingAreNot", "a waiter whose process lives is not passed before its place lapses, however little it asks", func(h *harness) {
		d := h.direct()
		l := h.hold("a", lease.Paths("f"))
		r := h.request("slow", lease.Paths("f"))
		r.ID = lease.NewID()
		place := goneGrace + h.units(100)
		d.awaits(r, place)
		w := h.queue("b", lease.Paths("f"))
		h.release(l)
		h.pass(goneGrace)
		w.stillWaits()
		a := d.args(r, string(r.ID), place)
		a.Again = true
		require.Equal(h, backend.Done, d.ask(a).Outcome)
		w.stillWaits()
	}},
	{"Gone/QueueTTLIsTheClients", "a place that the client keeps across calls outlives the process that asked for it", func(h *harness) {
		d := h.direct()
		l := h.hold("a", lease.Paths("f"))
		r := h.placed("client", 600)
		a := d.args(r, "", r.QueueTTL)
		require.Equal(h, backend.Queued, d.ask(a).Outcome)
		w := h.queue("b", lease.Paths("f"))
		d.abandon()
		h.release(l)
		h.pass(goneGrace)
		w.stillWaits()
		mine := h.acquire(h.M, r)
		require.Equal(h, "client", mine.Holder)
		h.release(mine)
		w.soon()
	}},
	{"Gone/TakenAlong", "a place that another process has asked for since outlives the process that it was kept for first", func(h *harness) {
		first, second := h.direct(), h.direct()
		l := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.ID = first.awaits(r, h.units(600))
		_, stop := second.Subscribe(r.ID)
		h.Cleanup(stop)
		a := second.queued(r, "another attempt", h.units(600))
		w := h.queue("c", lease.Paths("f"))
		first.abandon()
		h.release(l)
		h.pass(goneGrace)
		w.stillWaits()
		a.Again = true
		got := second.ask(a)
		require.Equal(h, backend.Done, got.Outcome)
		require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindGranted}, h.kinds(r.ID))
		h.release(got.Lease)
		w.soon()
	}},
	{"Gone/LeasesStay", "a lease lasts its TTL though the process that was granted it is gone", func(h *harness) {
		d := h.direct()
		r := h.request("dead", lease.Paths("f"))
		r.TTL = goneGrace + h.units(20)
		reply := d.ask(d.args(r, "attempt", 0))
		require.Equal(h, backend.Done, reply.Outcome)
		w := h.queue("b", lease.Paths("f"))
		d.abandon()
		h.pass(goneGrace)
		w.stillWaits()
		got := w.granted()
		require.False(h, got.GrantedAt.Before(reply.Lease.ExpiresAt))
	}},
	{"Gone/PlaceOfACall", "the place of a call lasts waiter_ttl whatever the request's TTL where the store notices who is gone, and elsewhere no longer than the TTL", func(h *harness) {
		notices := h.direct().noticesGone()
		waiterTTL := 10 * time.Second
		h.set(func(c *lease.Config) { c.WaiterTTL = waiterTTL })
		h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.TTL = 1500 * time.Millisecond
		w := h.wait(h.M, r)
		l := h.get(w.ID)
		want := r.TTL
		if notices {
			want = waiterTTL
		}
		require.InDelta(h, float64(want), float64(l.ExpiresAt.Sub(l.CreatedAt)), float64(h.patience()))
	}},
}

func (d direct) noticesGone() bool {
	d.h.Helper()
	reply, err := d.Config(d.h.Context())
	require.NoError(d.h, err)
	return reply.NoticesGone
}

// goneSoon returns how long the place of a waiter lasts whose process is to end, and
// how soon after that the next in line is granted. If the store notices the end by
// itself, the place lasts longer than a case waits.
func (d direct) goneSoon() (place, limit time.Duration) {
	d.h.Helper()
	if d.noticesGone() {
		return d.h.units(600), goneGrace + d.h.patience()
	}
	place = d.h.units(20)
	return place, place + unnoticed + d.h.doubt()
}

// grantedBy requires that the call is granted before that moment.
func (w *waiting) grantedBy(by time.Time) lease.Lease {
	w.h.Helper()
	got := w.granted()
	require.WithinRange(w.h, time.Now(), time.Time{}, by)
	return got
}

// awaits has a request wait as a call of this handle's engine would: subscribed,
// with a place. It returns its ID.
func (d direct) awaits(r lease.Request, place time.Duration) lease.ID {
	d.h.Helper()
	if r.ID == "" {
		r.ID = lease.NewID()
	}
	_, stop := d.Subscribe(r.ID)
	d.h.Cleanup(stop)
	d.queued(r, string(r.ID), place)
	return r.ID
}

// abandon has the handle's process end, as by a crash: nothing that it asked for
// is withdrawn.
func (d direct) abandon() {
	d.h.Helper()
	for _, opened := range d.h.handles {
		if opened.Closer != d.Store || opened.closed {
			continue
		}
		if crash := d.h.fixture.Crash; crash != nil {
			opened.closed = true
			crash(d.h.TB, d.Store)
		} else {
			d.h.close(opened)
		}
	}
	d.h.pass(d.h.patience()) // until its connections have ended: what they still take in, nobody reads
}
