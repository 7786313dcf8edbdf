package conformance

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// everyBoundCases: bounds, each tried on both of its sides.
var everyBoundCases = []testCase{
	{"Every/SweepOfOneKind", "one sweep does all there is of a kind, more than a step may do, though there is nothing of the others", sweepsOfOneKind},
	{"Every/LimitOfAForce", "a forced release by path ends as many as its limit says, and nothing at all if a tree that only the path reaches is within it", limitsOfForce},
	{"Every/ExtremeIsAllowed", "the least and the most of everything that a request may have is granted", extremesAreAllowed},
}

// beyondAStep is more than one step of a sweep may do.
const beyondAStep = 300

func sweepsOfOneKind(h *harness) {
	h.manualSweep()
	h.gaps = true
	h.set(func(c *lease.Config) { c.HistoryRetention, c.EndedRetention = 0, lease.MinEndedRetention })
	for i := range beyondAStep {
		h.release(h.hold("a", lease.Paths(fmt.Sprint("f", i))))
	}
	h.pass(lease.MinEndedRetention + h.doubt())
	h.sweep()
	require.Empty(h, h.listed(lease.Query{Status: []lease.Status{lease.Released}}), "what ended is forgotten")

	const kept = 7
	h.set(func(c *lease.Config) { c.HistoryMaxEvents = kept })
	h.sweep()
	require.Len(h, h.events(lease.Query{}), kept, "the history is trimmed")

	for i := range beyondAStep {
		h.brief("a", lease.Paths(fmt.Sprint("f", i)), 2)
	}
	h.sleep(3)
	require.Equal(h, beyondAStep, h.sweep().Expired, "leases expire")
	h.counts(0, 0)
}

func limitsOfForce(h *harness) {
	const before = 2 // leases of the path itself, that arrived before the tree's
	for limit := range before + 3 {
		dir := fmt.Sprint("d", limit)
		for i := range before {
			h.hold(fmt.Sprint("a", i), lease.SharedPaths(dir+"/f"))
		}
		tree := h.hold("tree", lease.SharedTrees(dir))
		ended, err := h.M.ForceRelease(h.Context(), lease.Query{Path: dir + "/f", Limit: limit}, lease.Revocation{Actor: "root"})
		require.Equal(h, lease.Active, h.get(tree.ID).Status)
		if limit > 0 && limit <= before {
			require.NoError(h, err, "limit %d", limit)
			require.Len(h, ended, limit)
			continue
		}
		require.ErrorIs(h, err, lease.ErrInvalid, "limit %d", limit)
		require.Len(h, h.listed(lease.Query{Path: dir + "/f"}), before+1)
	}
}

func extremesAreAllowed(h *harness) {
	for i, change := range []func(*lease.Request){
		func(r *lease.Request) { r.TTL = lease.MinTTL },
		func(r *lease.Request) { r.TTL = lease.MaxTTL },
		func(r *lease.Request) { r.TTL = lease.KeepTTL },
		func(r *lease.Request) { r.QueueTTL = lease.MinQueueTTL },
		func(r *lease.Request) { r.QueueTTL = lease.MaxQueueTTL },
		func(r *lease.Request) { r.Priority = lease.MaxPriority },
		func(r *lease.Request) { r.Priority = -lease.MaxPriority },
		func(r *lease.Request) { r.MaxRenewals = lease.NoRenewals },
		func(r *lease.Request) { r.MaxRenewals = lease.Unlimited },
		func(r *lease.Request) { r.Timeout = lease.NoTimeout },
	} {
		r := h.request("a", lease.Paths(fmt.Sprint("f", i)))
		r.ID = lease.ID(fmt.Sprint("r", i))
		change(&r)
		_, err := h.M.TryAcquire(h.Context(), r)
		require.NoError(h, err, "request %d", i)
		if r.QueueTTL == 0 {
			r.ID, r.Claims = "", lease.Paths(fmt.Sprint("g", i))
			_, err = h.M.Acquire(h.Context(), r)
			require.NoError(h, err, "request %d", i)
		}
	}
	l := h.hold("a", lease.Paths("r"))
	_, err := h.M.Renew(h.Context(), l.Ref(), lease.MaxTTL)
	require.NoError(h, err)
	_, err = h.M.Renew(h.Context(), l.Ref(), lease.MinTTL)
	require.NoError(h, err)
}
