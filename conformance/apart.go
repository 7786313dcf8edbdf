package conformance

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// apartCases: what belongs to one call, one process or one lease, and not to
// others that look alike.
var apartCases = []testCase{
	{"Apart/AttemptsByName", "an attempt is told from another whose name begins, ends or goes on with its own", func(h *harness) {
		held := h.hold("own", lease.Paths("f"))
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "try", h.units(600))
		for _, name := range []string{"try one", "try", "one", "try one more"} {
			a.Attempt = name
			require.Equal(h, backend.Queued, d.ask(a).Outcome)
		}
		for _, name := range []string{"try one", "try one more", "try", "one"} {
			require.Equal(h, lease.Pending, h.get(a.Request.ID).Status, "before %q is withdrawn", name)
			a.Attempt = name
			d.withdraw(a)
		}
		require.Equal(h, lease.EndCancelled, h.get(a.Request.ID).EndReason)
		h.release(held)
	}},
	{"Apart/AskedForAcrossCalls", "a place that was asked for across calls, by no attempt, is not taken back by one that joined it", func(h *harness) {
		h.hold("own", lease.Paths("f"))
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "one", h.units(600))
		require.Equal(h, backend.Queued, d.ask(a).Outcome)
		across := a
		across.Attempt = ""
		require.Equal(h, backend.Queued, d.ask(across).Outcome)
		d.withdraw(a)
		require.Equal(h, lease.Pending, h.get(a.Request.ID).Status)
	}},
	{"Apart/PlaceOfTheClient", "a place that was asked for with a QueueTTL is the client's: it lasts when the process that asked is gone", func(h *harness) {
		held := h.hold("own", lease.Paths("f"))
		another := h.open()
		h.refused(another, h.placed("a", 400))
		require.NoError(h, another.Close())
		require.Equal(h, 2, h.refused(h.M, h.placed("b", 400)).Position)
		h.release(held)
		h.refused(h.M, h.placed("b", 400))
		h.acquire(h.M, h.placed("a", 400))
	}},
	{"Apart/Copies", "what a caller does to the labels and claims of a lease changes nothing of it", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.Labels = map[string]string{"branch": "main"}
		l := h.acquire(h.M, r)
		got := h.get(l.ID)
		for _, spoilt := range []lease.Lease{l, got} {
			spoilt.Labels["branch"], spoilt.Claims[0].Path = "other", "g"
		}
		r.Labels["branch"] = "other"
		kept := h.get(l.ID)
		require.Equal(h, map[string]string{"branch": "main"}, kept.Labels)
		require.Equal(h, lease.Paths("f"), kept.Claims)
		h.denied("b", lease.Paths("f"))
	}},
	{"Apart/TombstonesOfOneMoment", "of attempts that are withdrawn at one moment each is remembered", func(h *harness) {
		d := h.direct()
		asks := make([]backend.AcquireArgs, 5)
		for i := range asks {
			asks[i] = d.args(h.request("a", lease.Paths("f")), fmt.Sprint("attempt ", i), 0)
			d.withdraw(asks[i])
		}
		for _, a := range asks {
			require.Equal(h, backend.Withdrawn, d.ask(a).Outcome, a.Attempt)
		}
	}},
	{"Apart/OldConfiguration", "a renewal that was filled in from an old configuration does nothing, and is told the new one", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		d := h.direct()
		before, err := d.Config(h.Context())
		require.NoError(h, err)
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 7 })
		args := backend.RenewArgs{Ref: l.Ref(), MaxTTL: lease.MaxTTL, Op: "op", ConfigVersion: before.Config.Version}
		reply, err := d.Renew(h.Context(), args)
		require.NoError(h, err)
		require.Equal(h, backend.Stale, reply.Outcome)
		require.Equal(h, 7, reply.Config.MaxLeasesPerHolder)
		require.Zero(h, h.get(l.ID).Renewals)
	}},
	{"Apart/LastMoment", "an ask at the last moment at which it may be decided is decided, and one after it is not", func(h *harness) {
		d := h.direct()
		now, err := d.Config(h.Context())
		require.NoError(h, err)
		a := d.args(h.request("a", lease.Paths("f")), "one", 0)
		a.NotAfter = now.Now
		if h.fixture.RealTime { // time does not stand still
			a.NotAfter = now.Now.Add(h.patience())
		}
		require.Equal(h, backend.Done, d.ask(a).Outcome)
		h.pass(h.patience() + resolution)
		a = d.args(h.request("a", lease.Paths("f")), "two", 0)
		a.NotAfter = now.Now
		require.Equal(h, backend.Late, d.ask(a).Outcome)
	}},
	{"Apart/NothingIsKept", "of a history of which nothing is kept any more, what came after some event is trimmed, and what comes next is found", func(h *harness) {
		h.manualSweep()
		h.gaps = true
		h.set(func(c *lease.Config) { c.HistoryMaxEvents, c.HistoryRetention = 0, 0 })
		h.release(h.hold("a", lease.Paths("f")))
		h.set(func(c *lease.Config) { c.HistoryRetention = lease.MinTTL * 100 })
		h.pass(lease.MinTTL*100 + h.doubt())
		h.sweep()
		head := h.stats().Head
		require.Empty(h, h.events(lease.Query{}))
		var told error
		for _, err := range h.M.History(h.Context(), lease.Query{After: 1}) {
			told = err
		}
		h.trimmed(told, head+1)
		l := h.hold("b", lease.Paths("f"))
		require.Equal(h, l.ID, h.only(lease.Query{After: head}).Lease.ID)
	}},
	{"Apart/ExpiredTree", "a tree that has expired unswept is no tree in question: ForceRelease by a path below it ends nothing", func(h *harness) {
		h.manualSweep()
		l := h.brief("a", lease.Trees("d"), 2)
		h.expire(l)
		require.Empty(h, h.force(lease.Query{Path: "d/f"}))
		require.Equal(h, lease.Expired, h.get(l.ID).Status)
	}},
	{"Apart/NamesUnderTheRoot", "the root's tree covers every name there may be, and a path's tree no name that only begins like it", func(h *harness) {
		names := []string{"a", "~", "~~", "é/ü", "\U0010FFFF/x", "\x01", " "}
		root := h.hold("a", lease.Trees("/"))
		for _, name := range names {
			h.denied("b", lease.Paths(name))
			h.denied("b", lease.SharedPaths(name, "q1", "q2", "q3", "q4"))
		}
		h.release(root)
		for _, name := range names {
			l := h.hold("b", lease.Paths(name))
			h.denied("a", lease.Trees("/"))
			h.denied("a", append(lease.Paths("q1", "q2", "q3", "q4"), lease.Trees("/")...))
			h.release(l)
		}
		for _, end := range []string{"!", ".", "0", "1", "b", "~", "é"} {
			l := h.hold("b", lease.Paths("dir"+end, "dir"+end+"/below"))
			h.release(h.hold("a", lease.Trees("dir")))
			h.release(h.hold("a", append(lease.Paths("q1", "q2", "q3", "q4"), lease.Trees("dir")...)))
			h.release(l)
		}
	}},
	{"Apart/WaiterUnderAParentThatEnds", "who waits under a lease fails in the step that ends it, though what it waits for is still held, and learns of it at once", func(h *harness) {
		for _, e := range ends {
			if e.err != lease.ErrReleased && e.err != lease.ErrRevoked {
				continue // an expiry is nobody's step, and a replacement waits for what is below
			}
			path := "d" + e.name
			parent := h.brief("parent-"+e.name, lease.Trees(path), 40)
			h.acquire(h.M, h.under(parent, "holds", lease.Paths(path+"/f")))
			w := h.wait(h.M, h.under(parent, "waits", lease.Paths(path+"/f")))
			w.stillWaits()
			d := h.direct()
			for i := range 70 { // more than are looked at to find whom to wake
				d.queued(h.request(fmt.Sprint("outside ", i), lease.Trees(path)), fmt.Sprint("one ", i), h.units(600))
			}
			silent := d.queued(h.under(parent, "asks no more", lease.Paths(path+"/f")), "one", h.units(600))
			e.make(h, parent)
			require.Equal(h, lease.Failed, h.get(silent.Request.ID).Status, "though it asks no more")
			w.returns()
			e.check(h, parent, w.err)
			require.Equal(h, []lease.Kind{lease.KindQueued, lease.KindWithdrawn}, h.kinds(w.ID))
		}
	}},
}
