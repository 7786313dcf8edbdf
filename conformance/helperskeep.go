package conformance

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// keeperCases: what a Keeper keeps.
var keeperCases = []testCase{
	{"Keeper/Many", "one Keeper renews many leases, none of which is lost, and releases them all", func(h *harness) {
		const leases = 60
		k := h.keeper(h.M)
		var all []*lease.Held
		for i := range leases {
			all = append(all, h.keep(k, h.M, h.shortly(fmt.Sprint("holder-", i), lease.Paths(fmt.Sprint(i))), nil))
		}
		h.sleep(3 * short)
		for i, held := range all {
			require.NoError(h, held.Err())
			require.True(h, held.Lease().Valid())
			require.GreaterOrEqual(h, held.Lease().Renewals, 6)
			h.denied("another", lease.Paths(fmt.Sprint(i)))
		}
		h.counts(leases, 0)
		require.NoError(h, k.ReleaseAll(h.Context()))
		h.counts(0, 0)
	}},
	{"Keeper/OutlivesItsContext", "the end of the context that a lease was acquired with does not end its renewal", func(h *harness) {
		ctx, cancel := context.WithCancel(h.Context())
		l, err := h.M.Acquire(ctx, h.shortly("a", lease.Paths("f")))
		require.NoError(h, err)
		held, err := h.keeper(h.M).Keep(ctx, l, nil)
		require.NoError(h, err)
		cancel()
		h.sleep(2 * short)
		require.NoError(h, held.Context().Err())
		h.denied("b", lease.Paths("f"))
		require.NoError(h, held.Release(ctx))
		h.free("f")
	}},
	{"Keeper/StopsWithRelease", "nothing is renewed after the release, nor after Close", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		k := h.keeper(m)
		released, closed := h.keep(k, m, h.shortly("a", lease.Paths("f")), nil), h.keep(k, m, h.shortly("a", lease.Paths("g")), nil)
		h.sleep(short)
		require.NoError(h, released.Release(h.Context()))
		k.Close()
		before := faults.Calls(OpRenew)
		require.Positive(h, before)
		h.sleep(3 * short)
		require.Equal(h, before, faults.Calls(OpRenew))
		require.ErrorIs(h, released.Err(), lease.ErrReleased)
		require.ErrorIs(h, closed.Err(), lease.ErrClosed)
		h.free("g")
	}},
	{"Keeper/ManagerClosed", "the contexts end when the Manager is closed", func(h *harness) {
		m := h.open()
		held := h.keep(h.keeper(m), m, h.shortly("a", lease.Paths("f")), nil)
		require.NoError(h, m.Close())
		<-held.Context().Done()
		require.ErrorIs(h, context.Cause(held.Context()), lease.ErrClosed)
	}},
	{"Keeper/Contended", "a holder hears from its renewals that somebody waits, how many, and how urgently", func(h *harness) {
		held := h.keep(h.keeper(h.M), h.M, h.shortly("a", lease.Paths("f")), nil)
		r := h.request("b", lease.Paths("f"))
		r.Priority = 3
		w := h.wait(h.M, r)
		<-held.Contended()
		contention := held.Lease().Contention
		require.Equal(h, [2]int{1, 3}, [2]int{contention.Waiters, contention.Priority})
		require.NoError(h, held.Release(h.Context()))
		w.soon()
	}},
	{"Keeper/RenewalLimit", "a lease whose renewals are used up is held to its expiry, and the error says why it was not renewed", func(h *harness) {
		r := h.shortly("a", lease.Paths("f"))
		r.MaxRenewals = 2
		held := h.keep(h.keeper(h.M), h.M, r, nil)
		<-held.Context().Done()
		require.ErrorIs(h, held.Err(), lease.ErrExpired)
		require.ErrorIs(h, held.Err(), lease.ErrRenewalLimit)
		require.Equal(h, 2, held.Lease().Renewals)
	}},
	{"Keeper/LoweredMaxTTL", "a lease whose TTL has become more than max_ttl is held to its expiry; it is not asked for again and again, and the error says why it was not renewed", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		r := h.request("a", lease.Paths("f"))
		r.TTL = h.units(2 * short)
		held := h.keep(h.keeper(m), m, r, nil)
		h.capTTL(h.units(short))
		h.sleep(short)
		require.NoError(h, held.Err())
		h.refused(h.M, h.shortly("b", lease.Paths("f")))
		<-held.Context().Done()
		h.lost(held.Err(), lease.ErrExpired)
		h.invalid(held.Err(), "ttl")
		require.LessOrEqual(h, faults.Calls(OpRenew), 2, "the second one with the new configuration")
	}},
	{"Keeper/MaxLifetime", "a lease whose MaxLifetime is over ends in the store too, whether its TTL is shorter or longer", func(h *harness) {
		k := h.keeper(h.M)
		for _, ttl := range []int{short, 100 * short} {
			r := h.request("a", lease.Paths("f"))
			r.TTL = h.units(ttl)
			held := h.keep(k, h.M, r, &lease.KeepOptions{MaxLifetime: h.units(2*short + 3)})
			w := h.queue("b", lease.Paths("f"))
			<-held.Context().Done()
			h.lost(held.Err(), lease.ErrExpired)
			next := w.granted()
			require.WithinDuration(h, held.Lease().GrantedAt.Add(h.units(2*short+3)), next.GrantedAt, h.Unit+h.patience())
			h.release(next)
		}
	}},
	{"Keeper/MaxLifetimeInTheStore", "a lease with a MaxLifetime is renewed no further than that: should the process die then, the store ends it in time", func(h *harness) {
		const ttl, lifetime = 3 * short, 3*short + 3
		r := h.request("a", lease.Paths("f"))
		r.TTL = h.units(ttl)
		held := h.keep(h.keeper(h.M), h.M, r, &lease.KeepOptions{MaxLifetime: h.units(lifetime)})
		h.sleep(ttl / 2)
		l := h.get(held.Lease().ID)
		require.Positive(h, l.Renewals)
		require.False(h, l.ExpiresAt.After(l.GrantedAt.Add(h.units(lifetime+1))), "it lasts until %v", l.ExpiresAt)
	}},
	{"Keeper/Watch", "with Watch a lease that is taken away is lost at once, not at its next renewal, and the others are kept", func(h *harness) {
		faults, m := h.faulty(FaultOptions{})
		k := lease.NewKeeper(m, &lease.KeeperOptions{Watch: m})
		h.Cleanup(k.Close)
		r := h.request("a", lease.Paths("f"))
		r.TTL = h.units(600)
		taken := h.keep(k, m, r, nil)
		r.Claims = lease.Paths("g")
		kept := h.keep(k, m, r, nil)
		h.settle() // the watch has begun
		h.sleep(3)
		before := faults.Calls(OpRenew)
		_, err := h.M.ForceRelease(h.Context(), lease.Query{ID: taken.Lease().ID}, lease.Revocation{Actor: "root", Reason: "stuck"})
		require.NoError(h, err)
		start := time.Now()
		<-taken.Context().Done()
		require.LessOrEqual(h, time.Since(start), h.patience()+time.Second)
		lost := h.lost(taken.Err(), lease.ErrRevoked)
		require.Equal(h, "root", lost.Actor)
		require.Equal(h, "stuck", lost.Reason)
		require.Equal(h, before, faults.Calls(OpRenew), "no renewal found it out")
		require.NoError(h, kept.Err())
	}},
	{"Keeper/WatchEveryEnd", "with Watch a lease that ends elsewhere is lost at once, in whatever way it ends, and the error says how", func(h *harness) {
		m := h.open()
		k := lease.NewKeeper(m, &lease.KeeperOptions{Watch: m})
		h.Cleanup(k.Close)
		var all []*lease.Held
		for i := range ends {
			all = append(all, h.keep(k, m, h.request("a", lease.Paths(fmt.Sprint("f", i))), nil))
		}
		h.settle() // the watch has begun
		h.sleep(3)
		for i, held := range all {
			l := held.Lease()
			if ends[i].name == "Expired" { // it is kept
				continue
			}
			ends[i].make(h, l)
			select {
			case <-held.Context().Done():
			case <-time.After(h.patience() + time.Second):
				h.Fatalf("it is kept though it is over: %s", ends[i].name)
			}
			ends[i].check(h, l, held.Err())
		}
	}},
	{"Keeper/Detach", "a lease that is detached is not released: it lasts as long as was asked for, and ends by itself", func(h *harness) {
		k := h.keeper(h.M)
		r := h.request("a", lease.Paths("f"))
		r.TTL = h.units(600)
		held := h.keep(k, h.M, r, nil)
		w := h.queue("b", lease.Paths("f"))
		l, err := held.Detach(h.Context(), h.units(short))
		require.NoError(h, err)
		require.ErrorIs(h, held.Err(), lease.ErrClosed)
		require.True(h, l.Valid())
		next := w.granted()
		require.False(h, next.GrantedAt.Before(l.ExpiresAt))
		require.WithinDuration(h, l.ExpiresAt, next.GrantedAt, h.patience())
		require.Equal(h, lease.EndExpired, h.get(l.ID).EndReason)
	}},
	{"Keeper/Acquire", "what a Keeper acquires it keeps, and one that cannot be had is the error of the request", func(h *harness) {
		k := h.keeper(h.M)
		held, err := k.Acquire(h.Context(), h.shortly("a", lease.Paths("f")), nil)
		require.NoError(h, err)
		_, err = k.TryAcquire(h.Context(), h.shortly("b", lease.Paths("f")), nil)
		require.ErrorIs(h, err, lease.ErrConflict)
		h.sleep(2 * short)
		require.NoError(h, held.Err())
		require.NoError(h, held.Release(h.Context()))
		h.free("f")
	}},
	{"Keeper/NoRenewalsGivenBack", "the renewals that a lease was given while its upgrade waited count against the new one", func(h *harness) {
		const most = 8
		k := h.keeper(h.M)
		reader := h.hold("b", lease.SharedPaths("f"))
		r := h.shortly("a", lease.SharedPaths("f"))
		r.MaxRenewals = most
		held := h.keep(k, h.M, r, nil)
		done := make(chan error, 1)
		go func() {
			_, err := held.Replace(h.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
				return lease.Upgrade(ctx, h.M, l)
			})
			done <- err
		}()
		h.sleep(short)
		first := held.Lease()
		require.GreaterOrEqual(h, first.Renewals, 2, "it was renewed while it waits")
		h.release(reader)
		require.NoError(h, <-done)
		<-held.Context().Done()
		require.ErrorIs(h, held.Err(), lease.ErrExpired)
		require.LessOrEqual(h, first.Renewals+held.Lease().Renewals, most)
	}},
	{"Keeper/NoProgress", "a worker that makes no progress loses its lease", func(h *harness) {
		held := h.keep(h.keeper(h.M), h.M, h.shortly("a", lease.Paths("f")), &lease.KeepOptions{Progress: h.units(short)})
		for range 6 {
			h.sleep(short / 2)
			held.Progress()
		}
		require.NoError(h, held.Err())
		w := h.queue("b", lease.Paths("f"))
		<-held.Context().Done()
		h.lost(held.Err(), lease.ErrExpired)
		w.granted()
	}},
	{"Keeper/ProgressAgain", "a worker that makes progress again while its lease lasts keeps it: it is renewed at once", func(h *harness) {
		held := h.keep(h.keeper(h.M), h.M, h.shortly("a", lease.Paths("f")), &lease.KeepOptions{Progress: h.Unit})
		for range 3 {
			before := held.Lease().Renewals
			h.sleep(short * 6 / 10) // it would have been renewed by now
			require.Equal(h, before, held.Lease().Renewals)
			held.Progress()
			h.eventually("it is renewed", func() bool { return held.Lease().Renewals > before })
		}
		require.NoError(h, held.Err())
		require.NoError(h, held.Release(h.Context()))
	}},
	{"Keeper/Replace", "a lease that is upgraded while it is kept is kept on, under the same context", func(h *harness) {
		k := h.keeper(h.M)
		reader := h.hold("b", lease.SharedPaths("f"))
		held := h.keep(k, h.M, h.shortly("a", lease.SharedPaths("f")), nil)
		ctx := held.Context()
		changed := make(chan error, 1)
		go func() {
			_, err := held.Replace(h.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
				return lease.Upgrade(ctx, h.M, l)
			})
			changed <- err
		}()
		h.sleep(2 * short)
		require.NoError(h, ctx.Err(), "it is renewed while the upgrade waits")
		h.release(reader)
		require.NoError(h, <-changed)
		h.sleep(2 * short)
		require.NoError(h, ctx.Err(), "and afterwards")
		h.denied("b", lease.SharedPaths("f"))
		require.NoError(h, held.Release(h.Context()))
		h.counts(0, 0)
	}},
}
