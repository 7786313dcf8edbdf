package conformance

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// releaseCases: what a release ends, and what it leaves alone.
var releaseCases = append([]testCase{
	{"Release/Frees", "a release frees the path at once, and says so", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		h.release(l)
		ended := h.get(l.ID)
		require.Equal(h, lease.Released, ended.Status)
		require.Equal(h, lease.EndReleased, ended.EndReason)
		require.False(h, ended.Valid())
		h.hold("b", lease.Paths("f"))
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindReleased}, h.kinds(l.ID))
	}},
	{"Release/Twice", "releasing again what the same Ref released is nil, and changes nothing", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		h.release(l)
		next := h.hold("b", lease.Paths("f"))
		h.release(l)
		require.NoError(h, h.open().Release(h.Context(), l.Ref()))
		require.Equal(h, lease.Active, h.get(next.ID).Status)
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindReleased}, h.kinds(l.ID))
	}},
	{"Release/AnyToken", "a Token of 0 releases whatever the ID and the holder have", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		h.lost(h.M.Release(h.Context(), lease.Ref{ID: l.ID, Holder: "b"}), lease.ErrNotHolder)
		require.NoError(h, h.M.Release(h.Context(), lease.Ref{ID: l.ID, Holder: "a"}))
		require.NoError(h, h.M.Release(h.Context(), lease.Ref{ID: l.ID, Holder: "a"}))
		h.counts(0, 0)
	}},
	{"Release/CancelledContext", "a release does its work even if its context has ended", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		ctx, cancel := context.WithCancel(h.Context())
		cancel()
		require.NoError(h, h.M.Release(ctx, l.Ref()))
		h.hold("b", lease.Paths("f"))
	}},
	{"Release/ExpiredDeadline", "a release does its work even if the deadline of its context is over", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		ctx, cancel := context.WithDeadline(h.Context(), time.Now().Add(-time.Second))
		defer cancel()
		require.NoError(h, h.M.Release(ctx, l.Ref()))
		h.hold("b", lease.Paths("f"))
	}},
	{"Release/WrongRef", "a Ref with another holder or token releases nothing", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		other := h.hold("a", lease.Paths("g"))
		for _, ref := range []lease.Ref{
			{ID: l.ID, Holder: "b", Token: l.Token},
			{ID: l.ID, Holder: "a", Token: l.Token + 1},
			{ID: l.ID, Holder: "a", Token: l.Token - 1},
			{ID: l.ID, Holder: "a", Token: other.Token},
		} {
			h.lost(h.M.Release(h.Context(), ref), lease.ErrNotHolder)
		}
		h.counts(2, 0)
	}},
	{"Release/WrongRefOfAnEnded", "a Ref that is not the lease's is told so after its end too, and nothing else", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		h.release(l)
		h.lost(h.M.Release(h.Context(), lease.Ref{ID: l.ID, Holder: "b", Token: l.Token}), lease.ErrNotHolder)
		h.lost(h.M.Release(h.Context(), lease.Ref{ID: l.ID, Holder: "a", Token: l.Token + 1}), lease.ErrNotHolder)
	}},
	{"Release/Unknown", "a lease that nobody ever had is not found", func(h *harness) {
		h.lost(h.M.Release(h.Context(), lease.Ref{ID: "no such", Holder: "a"}), lease.ErrNotFound)
		h.lost(h.M.Release(h.Context(), lease.Ref{ID: "no such", Holder: "a", Token: 7}), lease.ErrNotFound)
	}},
	{"Release/OldHolder", "who releases after its lease expired does not free the next holder's", func(h *harness) {
		old := h.brief("a", lease.Paths("f"), 2)
		h.expire(old)
		next := h.hold("b", lease.Paths("f"))
		h.lost(h.M.Release(h.Context(), old.Ref()), lease.ErrExpired)
		require.Equal(h, lease.Active, h.get(next.ID).Status)
		h.denied("c", lease.Paths("f"))
	}},
	{"Release/OldLeaseOfTheSameHolder", "the same if the next holder has the same name", func(h *harness) {
		old := h.brief("a", lease.Paths("f"), 2)
		h.expire(old)
		next := h.hold("a", lease.Paths("f"))
		h.lost(h.M.Release(h.Context(), old.Ref()), lease.ErrExpired)
		h.lost(h.M.Release(h.Context(), lease.Ref{ID: next.ID, Holder: "a", Token: old.Token}), lease.ErrNotHolder)
		require.Equal(h, lease.Active, h.get(next.ID).Status)
	}},
	{"Release/NothingElse", "a release ends one lease: not the holder's others, not the others' on the same path", func(h *harness) {
		mine, same, other := h.hold("a", lease.SharedPaths("f")), h.hold("a", lease.SharedPaths("f")), h.hold("b", lease.SharedPaths("f"))
		h.release(mine)
		require.Equal(h, lease.Active, h.get(same.ID).Status)
		require.Equal(h, lease.Active, h.get(other.ID).Status)
		h.counts(2, 0)
	}},
	{"Release/OfAWait", "releasing a request that waits gives up its place: the waiting call ends with ErrReleased", func(h *harness) {
		h.hold("a", lease.SharedPaths("f"))
		writer := h.queue("w", lease.Paths("f"))
		reader := h.queue("r", lease.SharedPaths("f"))
		require.NoError(h, h.open().Release(h.Context(), lease.Ref{ID: writer.ID, Holder: "w"}))
		reader.soon()
		writer.returns()
		writer.failed(lease.ErrReleased)
		h.counts(2, 0)
	}},
	{"Release/OfAWaitNeedsTheHolder", "a waiting request is its holder's to give up, and has no token yet", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		h.lost(h.M.Release(h.Context(), lease.Ref{ID: w.ID, Holder: "c"}), lease.ErrNotHolder)
		h.lost(h.M.Release(h.Context(), lease.Ref{ID: w.ID, Holder: "b", Token: held.Token}), lease.ErrNotHolder)
		w.stillWaits()
	}},
}, forEachEnd("Release/After", "releasing a lease that ended otherwise is an error that says how, and changes nothing", func(h *harness, e end) {
	l := h.brief("a", lease.Paths("f"), 5)
	e.make(h, l)
	before := h.get(l.ID)
	stats, err := h.M.Stats(h.Context())
	require.NoError(h, err)
	err = h.M.Release(h.Context(), l.Ref())
	if e.name == "Released" {
		require.NoError(h, err)
	} else {
		e.check(h, l, err)
	}
	now := h.get(l.ID)
	require.Equal(h, before.EndReason, now.EndReason)
	require.Equal(h, before.ExpiresAt, now.ExpiresAt)
	after, err := h.M.Stats(h.Context())
	require.NoError(h, err)
	require.Equal(h, stats.Active, after.Active)
})...)
