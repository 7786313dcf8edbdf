package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// limitCases: what is within the limits is kept whole, what is beyond them
// never reaches the store.
var limitCases = []testCase{
	{"Limits/QuotaPastTheExpired", "leases whose time is over do not hide from the limit those that live, however many", func(h *harness) {
		h.manualSweep()
		for i := range 250 {
			h.brief("a", lease.Paths(fmt.Sprint("dead", i)), 3)
		}
		h.sleep(4)
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 2 })
		for i := range 4 {
			_, err := h.M.TryAcquire(h.Context(), h.request("a", lease.Paths(fmt.Sprint("f", i))))
			if i < 2 {
				require.NoError(h, err)
			} else {
				require.ErrorIs(h, err, lease.ErrQuota)
			}
		}
	}},
	{"Limits/Inside", "the longest, the most and the extreme of everything is kept as it was given", func(h *harness) {
		paths := make([]string, lease.MaxPathsBytes/lease.MaxPathBytes)
		for i := range paths {
			paths[i] = fmt.Sprintf("%04d/", i) + strings.Repeat("p", lease.MaxPathBytes-5)
		}
		r := lease.Request{
			ID: lease.ID(strings.Repeat("i", lease.MaxIDBytes)), Holder: strings.Repeat("h", lease.MaxHolderBytes),
			Claims: lease.Paths(paths...), TTL: lease.MaxTTL, MaxRenewals: 1 << 30, Priority: -lease.MaxPriority,
			Labels: map[string]string{"k": strings.Repeat("v", lease.MaxLabelsBytes-1)},
		}
		l := h.acquire(h.M, r)
		require.Equal(h, []any{r.ID, r.Holder, r.Claims, r.TTL, r.MaxRenewals, r.Priority, r.Labels},
			[]any{l.ID, l.Holder, l.Claims, l.TTL, l.MaxRenewals, l.Priority, l.Labels})
		seen := h.get(r.ID)
		require.Equal(h, r.Claims, seen.Claims)
		require.Equal(h, r.Labels, seen.Labels)
		conflict := h.denied("b", lease.Trees("/"))
		require.Equal(h, r.Holder, conflict.Blockers[0].Holder)
		force := lease.Revocation{Actor: strings.Repeat("a", lease.MaxActorBytes), Reason: strings.Repeat("r", lease.MaxReasonBytes)}
		_, err := h.M.ForceRelease(h.Context(), lease.Query{Holder: r.Holder}, force)
		require.NoError(h, err)
		_, err = h.M.Renew(h.Context(), l.Ref(), 0)
		lost := h.lost(err, lease.ErrRevoked)
		require.Equal(h, force, lease.Revocation{Actor: lost.Actor, Reason: lost.Reason})
	}},
	{"Limits/Requests", "a request beyond a limit is ErrInvalid, naming the field, and the store is not asked", badRequests},
	{"Limits/OtherCalls", "the same for the arguments of all other calls", badCalls},
	{"Limits/Cap", "a TTL of more than Config.MaxTTL is ErrInvalid and never clamped, one of exactly that is granted", func(h *harness) {
		h.capTTL(h.units(50))
		r := h.request("a", lease.Paths("f"))
		r.TTL = h.units(50) + time.Millisecond
		_, err := h.M.TryAcquire(h.Context(), r)
		h.invalid(err, "ttl")
		_, err = h.M.Acquire(h.Context(), r)
		h.invalid(err, "ttl")
		r.TTL = h.units(50)
		h.acquire(h.M, r)
	}},
	{"Limits/Quota", "a holder has as many leases and waiters as Config.MaxLeasesPerHolder says, and ErrQuota tells it so", func(h *harness) {
		h.set(func(c *lease.Config) { c.MaxLeasesPerHolder = 2 })
		l := h.hold("a", lease.Paths("f"))
		h.hold("b", lease.Paths("g"))
		w := h.queue("a", lease.Paths("g"))
		r := h.request("a", lease.Paths("e"))
		_, err := h.M.TryAcquire(h.Context(), r)
		require.ErrorIs(h, err, lease.ErrQuota)
		require.NotErrorIs(h, err, lease.ErrConflict)
		var quota *lease.QuotaError
		require.ErrorAs(h, err, &quota)
		require.Equal(h, lease.QuotaError{Holder: "a", Limit: 2}, *quota)
		_, err = h.M.Acquire(h.Context(), r)
		require.ErrorIs(h, err, lease.ErrQuota)
		h.hold("a1", lease.Paths("e/x"))
		w.stillWaits()
		h.release(l)
		h.acquire(h.M, r)
	}},
}

// badRequests tries each request that is just beyond a limit, on a handle that
// counts what reaches the store.
func badRequests(h *harness) {
	faults, m := h.faulty(FaultOptions{})
	long := strings.Repeat("x", lease.MaxPathBytes)
	for i, bad := range []struct {
		field string
		spoil func(*lease.Request)
	}{
		{"id", func(r *lease.Request) { r.ID = lease.ID(long[:lease.MaxIDBytes+1]) }},
		{"id", func(r *lease.Request) { r.ID = "nul\x00" }},
		{"id", func(r *lease.Request) { r.ID = "\xff" }},
		{"holder", func(r *lease.Request) { r.Holder = "" }},
		{"holder", func(r *lease.Request) { r.Holder = long[:lease.MaxHolderBytes+1] }},
		{"holder", func(r *lease.Request) { r.Holder = "nul\x00" }},
		{"holder", func(r *lease.Request) { r.Holder = "\xc3\x28" }},
		{"claims", func(r *lease.Request) { r.Claims = nil }},
		{"claims", func(r *lease.Request) { r.Claims = make([]lease.Claim, lease.MaxClaims+1) }},
		{"claims", func(r *lease.Request) {
			r.Claims = nil
			for i := range lease.MaxPathsBytes/lease.MaxPathBytes + 1 {
				r.Claims = append(r.Claims, lease.Paths(fmt.Sprint(i%10)+long[1:])...)
			}
		}},
		{"path", func(r *lease.Request) { r.Claims = lease.Paths("") }},
		{"path", func(r *lease.Request) { r.Claims = lease.Paths("..") }},
		{"path", func(r *lease.Request) { r.Claims = lease.Paths("a/../b") }},
		{"path", func(r *lease.Request) { r.Claims = lease.Paths("f", "nul\x00") }},
		{"path", func(r *lease.Request) { r.Claims = lease.Paths("\xff") }},
		{"path", func(r *lease.Request) { r.Claims = lease.Paths(long + "x") }},
		{"path", func(r *lease.Request) { r.Claims = lease.Paths(strings.Repeat("d/", lease.MaxPathDepth) + "f") }},
		{"mode", func(r *lease.Request) { r.Claims[0].Mode = lease.Shared + 1 }},
		{"scope", func(r *lease.Request) { r.Claims[0].Scope = lease.Tree + 1 }},
		{"ttl", func(r *lease.Request) { r.TTL = lease.MinTTL - 1 }},
		{"ttl", func(r *lease.Request) { r.TTL = -time.Second }},
		{"ttl", func(r *lease.Request) { r.TTL = lease.MaxTTL + 1 }},
		{"max_renewals", func(r *lease.Request) { r.MaxRenewals = lease.NoRenewals - 1 }},
		{"timeout", func(r *lease.Request) { r.Timeout = lease.NoTimeout - 1 }},
		{"priority", func(r *lease.Request) { r.Priority = lease.MaxPriority + 1 }},
		{"priority", func(r *lease.Request) { r.Priority = -lease.MaxPriority - 1 }},
		{"replace.id", func(r *lease.Request) { r.Replace = lease.Ref{Holder: "a", Token: 1} }},
		{"replace.holder", func(r *lease.Request) { r.Replace = lease.Ref{ID: "one", Token: 1} }},
		{"replace.token", func(r *lease.Request) { r.Replace = lease.Ref{ID: "one", Holder: "a"} }},
		{"replace.id", func(r *lease.Request) { r.ID, r.Replace = "one", lease.Ref{ID: "one", Holder: "a", Token: 1} }},
		{"labels", func(r *lease.Request) { r.Labels = map[string]string{"k": strings.Repeat("v", lease.MaxLabelsBytes)} }},
		{"labels", func(r *lease.Request) { r.Labels = map[string]string{"k": "nul\x00"} }},
		{"labels", func(r *lease.Request) { r.Labels = map[string]string{"\xff": "v"} }},
	} {
		r := h.request("a", lease.Paths("f"))
		bad.spoil(&r)
		_, err := m.TryAcquire(h.Context(), r)
		h.invalid(err, bad.field)
		_, err = m.Acquire(h.Context(), r)
		h.invalid(err, bad.field)
		require.NotEmpty(h, err.Error(), "request %d", i)
	}
	for _, ttl := range []time.Duration{-1, 99 * time.Millisecond, time.Hour + 1} {
		r := h.placed("a", 0)
		r.QueueTTL = ttl
		_, err := m.TryAcquire(h.Context(), r)
		h.invalid(err, "queue_ttl")
	}
	r := h.placed("a", 10)
	_, err := m.Acquire(h.Context(), r) // keeps its own place
	h.invalid(err, "queue_ttl")
	r.ID = ""
	_, err = m.TryAcquire(h.Context(), r) // could not ask again
	h.invalid(err, "queue_ttl")
	require.Zero(h, faults.Calls(OpAcquire))
	h.counts(0, 0)
}

func badCalls(h *harness) {
	faults, m := h.faulty(FaultOptions{})
	l := h.hold("a", lease.Paths("f"))
	ctx, long := h.Context(), strings.Repeat("x", lease.MaxReasonBytes+1)
	renew := func(ref lease.Ref, ttl time.Duration) error { _, err := m.Renew(ctx, ref, ttl); return err }
	label := func(ref lease.Ref, labels map[string]string) error {
		_, err := m.SetLabels(ctx, ref, labels)
		return err
	}
	force := func(q lease.Query, f lease.Revocation) error { _, err := m.ForceRelease(ctx, q, f); return err }
	list := func(q lease.Query) error {
		for _, err := range m.List(ctx, q) {
			return err
		}
		return nil
	}
	get := func(id lease.ID) error { _, err := m.Get(ctx, id); return err }
	root := lease.Revocation{Actor: "root"}
	for _, bad := range []struct {
		field string
		err   error
	}{
		{"ttl", renew(l.Ref(), lease.MinTTL-1)},
		{"ttl", renew(l.Ref(), -1)},
		{"ttl", renew(l.Ref(), lease.MaxTTL+1)},
		{"token", renew(lease.Ref{ID: l.ID, Holder: "a"}, 0)},
		{"id", renew(lease.Ref{Holder: "a", Token: l.Token}, 0)},
		{"holder", renew(lease.Ref{ID: l.ID, Token: l.Token}, 0)},
		{"token", label(lease.Ref{ID: l.ID, Holder: "a"}, nil)},
		{"id", label(lease.Ref{Holder: "a", Token: l.Token}, nil)},
		{"labels", label(l.Ref(), map[string]string{"": "x"})},
		{"labels", label(l.Ref(), map[string]string{"k": "\xff"})},
		{"labels", label(l.Ref(), map[string]string{"k": strings.Repeat("x", lease.MaxLabelsBytes)})},
		{"id", m.Release(ctx, lease.Ref{Holder: "a"})},
		{"holder", m.Release(ctx, lease.Ref{ID: l.ID})},
		{"holder", m.Release(ctx, lease.Ref{ID: l.ID, Holder: "\xff"})},
		{"id", get("")},
		{"id", get("nul\x00")},
		{"path", list(lease.Query{Path: "../f"})},
		{"path", list(lease.Query{Under: "\xff"})},
		{"holder", list(lease.Query{Holder: "nul\x00"})},
		{"status", list(lease.Query{Status: []lease.Status{lease.Failed + 1}})},
		{"limit", list(lease.Query{Limit: -1})},
		{"actor", force(lease.Query{ID: l.ID}, lease.Revocation{})},
		{"actor", force(lease.Query{ID: l.ID}, lease.Revocation{Actor: long[:lease.MaxActorBytes+1]})},
		{"reason", force(lease.Query{ID: l.ID}, lease.Revocation{Actor: "root", Reason: long})},
		{"query", force(lease.Query{}, root)},
		{"path", force(lease.Query{Path: ".."}, root)},
	} {
		h.invalid(bad.err, bad.field)
	}
	require.Zero(h, faults.Calls(OpRenew)+faults.Calls(OpRelease)+faults.Calls(OpList)+faults.Calls(OpForce))
	require.Equal(h, l.ExpiresAt, h.get(l.ID).ExpiresAt)
}
