package conformance

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// identityCases: an ID names one request.
var identityCases = append([]testCase{
	{"Identity/SameLease", "asked for again with the same ID, a request returns its lease unchanged, through any handle", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.ID, r.Labels = "one", map[string]string{"k": "v"}
		first := h.acquire(h.M, r)
		r.TTL, r.Priority, r.MaxRenewals, r.Labels = h.units(900), 3, 9, nil // how it is asked, not what for
		h.sleep(1)
		again := h.acquire(h.open(), r)
		require.Equal(h, first.Token, again.Token)
		require.Equal(h, first.ExpiresAt, again.ExpiresAt)
		require.Equal(h, first.TTL, again.TTL)
		require.Equal(h, first.Labels, again.Labels)
		require.Equal(h, []lease.Kind{lease.KindGranted}, h.kinds("one"))
	}},
	{"Identity/SameClaims", "claims in another order and spelling are the same claims", func(h *harness) {
		r := h.request("a", lease.Paths("f", "d/e"))
		r.ID = "one"
		first := h.acquire(h.M, r)
		r.Claims = lease.Paths("d//e/", "f", "./f")
		require.Equal(h, first.Token, h.acquire(h.M, r).Token)
	}},
	{"Identity/SamePlace", "asked for again with the same ID, a waiting request keeps its place", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.ID, r.QueueTTL = "one", h.units(100)
		require.Equal(h, 1, h.refused(h.M, r).Position)
		h.queue("c", lease.Paths("f"))
		require.Equal(h, 1, h.refused(h.open(), r).Position)
		h.counts(1, 2)
	}},
	{"Identity/Revived", "a lease that was renewed is returned as it now is", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.ID = "one"
		l := h.acquire(h.M, r)
		renewed, err := h.M.Renew(h.Context(), l.Ref(), h.units(1000))
		require.NoError(h, err)
		again := h.acquire(h.M, r)
		require.Equal(h, renewed.ExpiresAt, again.ExpiresAt)
		require.Equal(h, 1, again.Renewals)
	}},
	{"Identity/Mismatch", "an ID with another holder, other claims or another Replace is invalid, and the answer reveals nothing", func(h *harness) {
		r := h.request("holder-secret", lease.Paths("path-secret"))
		r.ID = "one"
		l := h.acquire(h.M, r)
		other := h.hold("b", lease.Paths("g"))
		for _, change := range []func(*lease.Request){
			func(r *lease.Request) { r.Holder = "b" },
			func(r *lease.Request) { r.Claims = lease.Paths("g") },
			func(r *lease.Request) { r.Claims[0].Mode = lease.Shared },
			func(r *lease.Request) { r.Claims[0].Scope = lease.Tree },
			func(r *lease.Request) { r.Claims = append(r.Claims, lease.Paths("g")...) },
			func(r *lease.Request) { r.Replace = other.Ref() },
		} {
			changed := h.request(r.Holder, lease.Paths("path-secret"))
			changed.ID = r.ID
			change(&changed)
			_, err := h.M.TryAcquire(h.Context(), changed)
			h.invalid(err, "id")
			if changed.Holder != r.Holder {
				require.NotContains(h, err.Error(), "secret")
			}
			_, err = h.M.Acquire(h.Context(), changed)
			h.invalid(err, "id")
		}
		require.Equal(h, l.Token, h.acquire(h.M, r).Token)
		h.counts(2, 0)
	}},
	{"Identity/MismatchTakesNothing", "what is refused for its ID takes none of the paths that it asked for", func(h *harness) {
		r := h.request("a", lease.Paths("f"))
		r.ID = "one"
		l := h.acquire(h.M, r)
		mismatch := func(path string) {
			for _, claims := range [][]lease.Claim{lease.Paths(path), lease.Trees(path), lease.SharedPaths(path)} {
				other := h.request("a", claims)
				other.ID = r.ID
				_, err := h.M.TryAcquire(h.Context(), other)
				h.invalid(err, "id")
			}
		}
		mismatch("g")
		h.hold("b", lease.Paths("g"))
		h.release(l)
		mismatch("h")
		h.hold("b", lease.Trees("h"))
		h.counts(2, 0)
	}},
	{"Identity/MismatchOfAWaiter", "the same holds for a request that waits, whose place is not harmed", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		r := h.request("c", lease.Paths("f"))
		r.ID = w.ID
		_, err := h.M.Acquire(h.Context(), r)
		h.invalid(err, "id")
		w.stillWaits()
		h.release(held)
		w.soon()
	}},
	{"Identity/EndForgotten", "once an end is no longer remembered the ID names a new request", func(h *harness) {
		h.set(func(c *lease.Config) { c.EndedRetention = lease.MinEndedRetention })
		r := h.request("a", lease.Paths("f"))
		r.ID = "one"
		first := h.acquire(h.M, r)
		h.release(first)
		h.pass(lease.MinEndedRetention - h.doubt())
		_, err := h.M.TryAcquire(h.Context(), r)
		h.lost(err, lease.ErrReleased)
		h.pass(2 * h.doubt())
		require.Greater(h, h.acquire(h.M, r).Token, first.Token)
		_, err = h.M.Renew(h.Context(), first.Ref(), 0)
		h.lost(err, lease.ErrNotHolder)
	}},
	{"Identity/AnewAfterTimeout", "a request whose wait timed out may be asked anew with its ID", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.ID, r.Timeout = "one", h.units(1)
		_, err := h.M.Acquire(h.Context(), r)
		require.ErrorIs(h, err, lease.ErrTimeout)
		h.refused(h.M, r)
		h.release(held)
		h.acquire(h.M, r)
	}},
	{"Identity/AnewAfterCancel", "a request whose wait was cancelled may be asked anew with its ID", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		w := h.queue("b", lease.Paths("f"))
		w.cancel()
		w.failed(context.Canceled)
		h.eventually("withdrawn", func() bool { return h.get(w.ID).Status == lease.Failed })
		r := h.request("b", lease.Paths("f"))
		r.ID = w.ID
		again := h.wait(h.M, r)
		h.release(held)
		again.soon()
	}},
	{"Identity/ConcurrentAttempts", "many attempts at once with one ID are one request: one grant, the same lease for all", func(h *harness) {
		managers := []lease.Manager{h.M, h.open(), h.open()}
		r := h.request("a", lease.Paths("f"))
		r.ID = "one"
		var all sync.WaitGroup
		tokens := make([]lease.Token, 18)
		for i := range tokens {
			all.Go(func() {
				if l, err := managers[i%len(managers)].TryAcquire(h.Context(), r); err == nil {
					tokens[i] = l.Token
				}
			})
		}
		all.Wait()
		for _, token := range tokens {
			require.Equal(h, tokens[0], token)
		}
		require.NotZero(h, tokens[0])
		require.Equal(h, []lease.Kind{lease.KindGranted}, h.kinds("one"))
	}},
	{"Identity/TwoWaits", "two waiting calls with one ID are one place in line; giving up either leaves it to the other", func(h *harness) {
		h.set(func(c *lease.Config) { c.WaiterTTL = h.units(6) }) // the hint may go to the one that left
		held := h.hold("a", lease.Paths("f"))
		for _, olderLeaves := range []bool{true, false} {
			r := h.request(fmt.Sprint("older leaves: ", olderLeaves), lease.Paths("f"))
			r.ID = lease.ID(r.Holder)
			leaves, stays := h.wait(h.M, r), h.wait(h.open(), r)
			if !olderLeaves {
				leaves, stays = stays, leaves
			}
			h.counts(1, 1)
			leaves.cancel()
			leaves.failed(context.Canceled)
			stays.stillWaits()
			h.counts(1, 1)
			require.Equal(h, []lease.Kind{lease.KindQueued}, h.kinds(r.ID))
			h.release(held)
			held = stays.granted()
		}
	}},
	{"Identity/BothAreGranted", "two waiting calls with one ID get the same lease", func(h *harness) {
		held := h.hold("a", lease.Paths("f"))
		r := h.request("b", lease.Paths("f"))
		r.ID = "one"
		older, newer := h.wait(h.M, r), h.wait(h.M, r)
		h.release(held)
		require.Equal(h, older.soon().Token, newer.soon().Token)
		h.counts(1, 0)
	}},
	{"Identity/WithdrawalOfOneAttempt", "a request is taken back when the last of the attempts that asked for it is withdrawn, and not before", func(h *harness) {
		d := h.direct()
		for i, order := range [][]string{{"one", "two", "three"}, {"three", "one", "two"}, {"two", "three", "one"}} {
			a := d.args(h.request("a", lease.Paths("f")), "", 0)
			for _, a.Attempt = range []string{"one", "two", "three"} {
				a.Attempt += fmt.Sprint(i)
				require.Equal(h, backend.Done, d.ask(a).Outcome)
			}
			for _, a.Attempt = range order {
				a.Attempt += fmt.Sprint(i)
				require.Equal(h, lease.Active, h.get(a.Request.ID).Status)
				require.Equal(h, backend.Done, d.withdraw(a).Outcome)
			}
			require.Equal(h, lease.EndCancelled, h.get(a.Request.ID).EndReason)
		}
		h.hold("b", lease.Paths("f"))
	}},
	{"Identity/WithdrawalOfOneOfMany", "of any number of attempts, one that is not withdrawn keeps the request", func(h *harness) {
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "", 0)
		for i := range 20 {
			a.Attempt = fmt.Sprint("attempt", i)
			d.ask(a)
		}
		for i := range 19 {
			a.Attempt = fmt.Sprint("attempt", i)
			d.withdraw(a)
		}
		require.Equal(h, lease.Active, h.get(a.Request.ID).Status)
	}},
	{"Identity/TriesDoNotWait", "a try that is refused has no part in the place of the call that waits with its ID: that call alone gives it up, whatever number of tries there were", func(h *harness) {
		h.hold("a", lease.Paths("f"))
		handles := []lease.Manager{h.M, h.open()} // one's own, and that of another process
		for _, n := range []int{1, 12} {
			w := h.queue("b", lease.Paths("f"))
			r := h.request("b", lease.Paths("f"))
			for r.ID = w.ID; n > 0; n-- {
				require.Equal(h, 1, h.refused(handles[n%2], r).Position)
			}
			w.cancel()
			w.failed(context.Canceled)
			h.eventually("nobody is in line", func() bool { return h.get(w.ID).EndReason == lease.EndCancelled })
			h.counts(1, 0)
		}
	}},
	{"Identity/TryIsGranted", "a try that is granted the request of a call that waits with its ID has a part in it: giving up either leaves it to the other", func(h *harness) {
		d := h.direct()
		for i := range 2 {
			path := lease.Paths(fmt.Sprint("f", i))
			held := h.hold("a", path)
			waits := d.queued(h.request("b", path), fmt.Sprint("waits", i), h.units(50))
			tries := waits
			tries.Attempt, tries.PlaceTTL, tries.Deadlock = fmt.Sprint("tries", i), 0, false
			h.release(held)
			require.Equal(h, backend.Done, d.ask(tries).Outcome)
			order := []backend.AcquireArgs{waits, tries}
			d.withdraw(order[i])
			require.Equal(h, lease.Active, h.get(waits.Request.ID).Status)
			d.withdraw(order[1-i])
			require.Equal(h, lease.EndCancelled, h.get(waits.Request.ID).EndReason)
		}
	}},
	{"Identity/WithdrawalOfAStranger", "withdrawing an attempt that never asked for the request does not touch it, and neither does any of a client that asks across calls", func(h *harness) {
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "asks", 0)
		d.ask(a)
		stranger := a
		stranger.Attempt = "stranger"
		d.withdraw(stranger)
		require.Equal(h, lease.Active, h.get(a.Request.ID).Status)
		client := d.args(h.request("a", lease.Paths("g")), "", 0)
		d.ask(client)
		later := client
		later.Attempt = "later"
		d.ask(later)
		d.withdraw(later)
		require.Equal(h, lease.Active, h.get(client.Request.ID).Status)
	}},
	{"Identity/WithdrawalNeedsTheHolder", "a withdrawal that names another holder ends nothing", func(h *harness) {
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "first", 0)
		d.ask(a)
		wrong := a
		wrong.Request.Holder = "b"
		d.withdraw(wrong)
		require.Equal(h, lease.Active, h.get(a.Request.ID).Status)
	}},
	{"Identity/Tombstone", "an attempt that was withdrawn before it arrived is never granted, though another one with its ID is", func(h *harness) {
		d := h.direct()
		late := d.args(h.request("a", lease.Paths("f")), "late", h.units(50))
		d.withdraw(late)
		require.Equal(h, backend.Withdrawn, d.ask(late).Outcome)
		late.Again = true
		require.Equal(h, backend.Withdrawn, d.ask(late).Outcome)
		h.counts(0, 0)
		other := late
		other.Attempt, other.Again = "other", false
		require.Equal(h, backend.Done, d.ask(other).Outcome)
		require.Equal(h, backend.Withdrawn, h.direct().ask(late).Outcome)
		require.Equal(h, lease.Active, h.get(late.Request.ID).Status)
	}},
	{"Identity/TombstoneLasts", "a withdrawn attempt is remembered for two minutes, swept or not, whatever else is withdrawn", func(h *harness) {
		d := h.direct()
		late := d.args(h.request("a", lease.Paths("f")), "late", 0)
		d.ask(late)
		d.withdraw(late)
		h.pass(lease.MinEndedRetention - h.doubt())
		for i := range 5 {
			d.withdraw(d.args(h.request("b", lease.Paths("f")), fmt.Sprint("other ", i), 0))
		}
		require.Equal(h, backend.Withdrawn, d.ask(late).Outcome)
		_, err := h.M.Sweep(h.Context())
		require.NoError(h, err)
		require.Equal(h, backend.Withdrawn, d.ask(late).Outcome)
	}},
	{"Identity/WithdrawnTwice", "withdrawing again changes nothing, and neither does withdrawing what has ended otherwise", func(h *harness) {
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "first", 0)
		d.ask(a)
		d.withdraw(a)
		d.withdraw(a)
		require.Equal(h, []lease.Kind{lease.KindGranted, lease.KindWithdrawn}, h.kinds(a.Request.ID))
		b := d.args(h.request("a", lease.Paths("f")), "second", 0)
		h.release(d.ask(b).Lease)
		d.withdraw(b)
		require.Equal(h, lease.EndReleased, h.get(b.Request.ID).EndReason)
	}},
	{"Identity/WithdrawnAgainLater", "an attempt that is withdrawn again is remembered from then on: a copy of its ask is not granted, however it was first given up", func(h *harness) {
		d := h.direct()
		withdrawn := d.args(h.request("a", lease.Paths("f")), "one", 0)
		d.withdraw(withdrawn)
		held := h.hold("own", lease.Paths("g"))
		released := d.queued(h.request("a", lease.Paths("g")), "two", h.units(100))
		require.NoError(h, h.M.Release(h.Context(), lease.Ref{ID: released.Request.ID, Holder: "a"}))
		h.release(held)
		h.pass(lease.MinEndedRetention / 2)
		d.withdraw(withdrawn)
		d.withdraw(released)
		h.pass(lease.MinEndedRetention - h.doubt())
		for _, a := range []backend.AcquireArgs{withdrawn, released} {
			require.Equal(h, backend.Withdrawn, d.ask(a).Outcome, a.Attempt)
		}
		h.pass(2 * h.doubt())
		require.Equal(h, backend.Done, d.ask(withdrawn).Outcome, "it is no longer remembered")
	}},
	{"Identity/AskRepeated", "an ask that arrives twice is granted once", func(h *harness) {
		d := h.direct()
		a := d.args(h.request("a", lease.Paths("f")), "first", h.units(50))
		first, second := d.ask(a), d.ask(a)
		require.Equal(h, first.Lease.Token, second.Lease.Token)
		require.Equal(h, first.Lease.ExpiresAt, second.Lease.ExpiresAt)
		b := d.queued(h.request("b", lease.Paths("f")), "second", h.units(50))
		require.Equal(h, 1, d.ask(b).Position)
		h.counts(1, 1)
	}},
	{"Identity/IDsAreBytes", "IDs compare byte for byte, and may be any text", func(h *harness) {
		for i, id := range []lease.ID{"one", "One", "one ", "one\n", "o|n:e", "%", "'; --", "\u00e9", "e\u0301", lease.ID(strings.Repeat("i", lease.MaxIDBytes))} {
			r := h.request("a", lease.Paths("f"))
			r.ID = id
			require.Equal(h, id, h.acquire(h.M, r).ID)
			require.Equal(h, id, h.get(id).ID)
			h.counts(i+1, 0)
		}
	}},
}, forEachEnd("Identity/After", "asked for again after its lease has ended, a request answers that end as long as it is remembered", func(h *harness, e end) {
	r := h.request("a", lease.Paths("f"))
	r.ID, r.TTL = "one", h.units(5)
	l := h.acquire(h.M, r)
	e.make(h, l)
	_, err := h.M.TryAcquire(h.Context(), r)
	e.check(h, l, err)
	_, err = h.M.Acquire(h.Context(), r)
	e.check(h, l, err)
	r.Holder = "b"
	_, err = h.M.TryAcquire(h.Context(), r)
	h.invalid(err, "id")
})...)
