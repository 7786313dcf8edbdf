package conformance

import (
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// labelCases: changing the labels of a lease.
var labelCases = append([]testCase{
	{"Labels/Changed", "a lease gets other labels in place of all that it had, and keeps all else", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.MaxRenewals, r.Labels = lease.NoRenewals, map[string]string{"reason": "build", "pid": "1"}
		l := h.acquire(h.M, r)
		h.sleep(1)
		changed, err := h.M.SetLabels(h.Context(), l.Ref(), map[string]string{"reason": "test", "step": ""})
		require.NoError(h, err)
		require.Equal(h, map[string]string{"reason": "test", "step": ""}, changed.Labels)
		require.True(h, changed.Valid())
		require.True(h, changed.UpdatedAt.After(l.UpdatedAt))
		require.Equal(h, l.ExpiresAt, changed.ExpiresAt)
		require.Equal(h, l.Ref(), changed.Ref())
		require.Zero(h, changed.Renewals)
		other := h.open()
		got, err := other.Get(h.Context(), l.ID)
		require.NoError(h, err)
		require.Equal(h, changed.Labels, got.Labels)
		require.Equal(h, l.ExpiresAt, got.ExpiresAt)
		for listed, err := range other.List(h.Context(), lease.Query{Holder: "a"}) {
			require.NoError(h, err)
			require.Equal(h, changed.Labels, listed.Labels)
		}
		none, err := other.SetLabels(h.Context(), l.Ref(), nil)
		require.NoError(h, err)
		require.Empty(h, none.Labels)
		require.Empty(h, h.get(l.ID).Labels)
		h.denied("b", lease.Paths("f"))
	}},
	{"Labels/History", "a change of labels is an event with the new ones, the events before keep theirs, and those after have the new ones", func(h *harness) {
		h.set(func(c *lease.Config) { c.HistoryRenewals = false })
		r := h.request("a", append(lease.SharedTrees("d"), lease.Paths("f")...))
		r.Labels = map[string]string{"n": "1"}
		l := h.acquire(h.M, r)
		changed, err := h.M.SetLabels(h.Context(), l.Ref(), map[string]string{"n": "2"})
		require.NoError(h, err)
		h.release(l)
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindRelabelled, lease.KindReleased}, h.kinds(l.ID))
		e := h.only(lease.Query{ID: l.ID, Kinds: []lease.Kind{lease.KindRelabelled}})
		require.Equal(h, map[string]string{"n": "2"}, e.Lease.Labels)
		require.Equal(h, changed.UpdatedAt, e.At)
		require.Equal(h, l.Token, e.Lease.Token)
		require.Equal(h, l.ExpiresAt, e.Lease.ExpiresAt)
		require.Equal(h, l.Claims, e.Lease.Claims)
		require.Equal(h, r.Labels, h.only(lease.Query{ID: l.ID, Kinds: []lease.Kind{lease.KindGranted}}).Lease.Labels)
		require.Equal(h, map[string]string{"n": "2"}, h.only(lease.Query{ID: l.ID, Kinds: []lease.Kind{lease.KindReleased}}).Lease.Labels)
	}},
	{"Labels/Identity", "labels are no part of what a request is: asked for again it answers its lease with the labels that this has by now", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.ID, r.Labels = lease.NewID(), map[string]string{"n": "1"}
		l := h.acquire(h.M, r)
		_, err := h.M.SetLabels(h.Context(), l.Ref(), map[string]string{"n": "2"})
		require.NoError(h, err)
		again := h.acquire(h.M, r)
		require.Equal(h, l.Ref(), again.Ref())
		require.Equal(h, map[string]string{"n": "2"}, again.Labels)
		renewed, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, map[string]string{"n": "2"}, renewed.Labels)
	}},
	{"Labels/Sublease", "a sub-lease gets other labels, and lies under its parent as before", func(h *harness) {
		parent := h.hold("a", lease.Trees("d"))
		r := h.request("b", lease.Paths("d/x"))
		r.Parent, r.TTL = parent.Ref(), h.units(20)
		l := h.acquire(h.M, r)
		changed, err := h.M.SetLabels(h.Context(), l.Ref(), map[string]string{"n": "2"})
		require.NoError(h, err)
		require.Equal(h, parent.ID, changed.Parent)
		_, err = h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		require.Equal(h, parent.ID, h.get(l.ID).Parent)
	}},
	{"Labels/WrongRef", "a Ref with another holder or token changes no labels, nor does one of a place in line", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		for _, ref := range []lease.Ref{
			{ID: l.ID, Holder: "b", Token: l.Token},
			{ID: l.ID, Holder: "a", Token: l.Token + 1},
			{ID: w.ID, Holder: "b", Token: l.Token},
		} {
			_, err := h.M.SetLabels(h.Context(), ref, map[string]string{"n": "2"})
			h.lost(err, lease.ErrNotHolder)
		}
		_, err := h.M.SetLabels(h.Context(), lease.Ref{ID: "no such", Holder: "a", Token: 1}, nil)
		h.lost(err, lease.ErrNotFound)
		require.Empty(h, h.get(l.ID).Labels)
		require.Empty(h, h.get(w.ID).Labels)
	}},
	{"Labels/Repeated", "a change of labels that arrives twice is one, and one that arrives late undoes nothing that came after it", func(h *harness) {
		d := h.direct()
		l := h.hold("a", lease.Paths("f"))
		config, err := d.Config(h.Context())
		require.NoError(h, err)
		args := backend.RenewArgs{Ref: l.Ref(), Relabel: true, Labels: map[string]string{"n": "1"}, Op: "op 1", ConfigVersion: config.Config.Version}
		change := func(op, n string) backend.RenewReply {
			args.Op, args.Labels = op, map[string]string{"n": n}
			reply, err := d.Renew(h.Context(), args)
			require.NoError(h, err)
			return reply
		}
		require.Equal(h, backend.Done, change("op 1", "1").Outcome)
		require.Equal(h, backend.Done, change("op 1", "1").Outcome)
		require.Equal(h, backend.Done, change("op 3", "3").Outcome)
		late := change("op 1", "1")
		require.Equal(h, backend.Overtaken, late.Outcome)
		require.Equal(h, "op 3", late.Op)
		renewal := backend.RenewArgs{Ref: l.Ref(), TTL: h.units(700), MaxTTL: lease.MaxTTL, Op: "op 4", ConfigVersion: config.Config.Version}
		_, err = d.Renew(h.Context(), renewal)
		require.NoError(h, err)
		require.Equal(h, backend.Overtaken, change("op 2", "2").Outcome)
		got := h.get(l.ID)
		require.Equal(h, map[string]string{"n": "3"}, got.Labels)
		require.Equal(h, 1, got.Renewals)
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindRelabelled, lease.KindRelabelled, lease.KindRenewed}, h.kinds(l.ID))
	}},
}, forEachEnd("Labels/After", "what has ended gets no other labels, and the holder learns how it ended", func(h *harness, e end) {
	l := h.brief("a", lease.Paths("f"), 5)
	e.make(h, l)
	_, err := h.M.SetLabels(h.Context(), l.Ref(), map[string]string{"n": "2"})
	e.check(h, l, err)
	require.Empty(h, h.get(l.ID).Labels)
})...)
