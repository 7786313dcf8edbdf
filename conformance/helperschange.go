package conformance

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// changeCases: upgrade, downgrade, shrink and transfer.
var changeCases = []testCase{
	{"Change/KeepsTheTerms", "the new lease has the TTL, labels, priority and remaining renewals of the old one", func(h *harness) {
		r := h.request("a", lease.SharedPaths("f"))
		r.Labels, r.Priority, r.MaxRenewals = map[string]string{"why": "test"}, 7, 4
		l := h.acquire(h.M, r)
		l, err := h.M.Renew(h.Context(), l.Ref(), 0)
		require.NoError(h, err)
		up, err := lease.Upgrade(h.Context(), h.M, l)
		require.NoError(h, err)
		require.Equal(h, lease.Paths("f"), up.Claims)
		require.Equal(h, []any{r.TTL, r.Labels, 7, 3, l.ID}, []any{up.TTL, up.Labels, up.Priority, up.MaxRenewals, up.Replaced})
		require.True(h, up.Valid())
		require.Greater(h, up.Token, l.Token)
	}},
	{"Change/KeepsDistinct", "a lease that keeps out its holder's other ones goes on doing so: an upgrade waits for those that share the path", func(h *harness) {
		r := h.request("a", lease.SharedPaths("f", "g"))
		r.Distinct = true
		l, other := h.acquire(h.M, r), h.acquire(h.M, r)
		for _, got := range []lease.Lease{l, h.get(l.ID)} {
			require.True(h, got.Distinct)
		}
		for e, err := range h.M.History(h.Context(), lease.Query{ID: l.ID}) {
			require.NoError(h, err)
			require.True(h, e.Lease.Distinct)
		}
		var up lease.Lease
		done := make(chan error, 1)
		go func() {
			var err error
			up, err = lease.Upgrade(h.Context(), h.M, l)
			done <- err
		}()
		h.eventually("the upgrade waits in line", func() bool {
			s, err := h.M.Stats(h.Context())
			return err == nil && s.Pending == 1
		})
		h.release(other)
		require.NoError(h, <-done)
		require.True(h, up.Distinct)
		h.refused(h.M, r)
		kept, err := lease.Shrink(h.Context(), h.M, up, "g")
		require.NoError(h, err)
		require.True(h, kept.Distinct)
	}},
	{"Change/TwoUpgraders", "of two holders that share a path and both upgrade, one gets a deadlock at once, and the other the path when that one lets go", func(h *harness) {
		a, b := h.hold("a", lease.SharedPaths("f")), h.hold("b", lease.SharedPaths("f"))
		done := make(chan error, 1)
		go func() {
			_, err := lease.Upgrade(h.Context(), h.M, a)
			done <- err
		}()
		h.eventually("the first waits in line", func() bool {
			s, err := h.M.Stats(h.Context())
			return err == nil && s.Pending == 1
		})
		_, err := lease.Upgrade(h.Context(), h.M, b)
		require.ErrorIs(h, err, lease.ErrDeadlock)
		require.Equal(h, lease.Active, h.get(b.ID).Status)
		h.release(b)
		require.NoError(h, <-done)
		h.denied("b", lease.SharedPaths("f"))
	}},
	{"Change/DowngradeLetsReadersIn", "a downgrade is granted at once, past those who wait, and lets readers in", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		reader, writer := h.queue("b", lease.SharedPaths("f")), h.queue("c", lease.Paths("f"))
		_, err := lease.Downgrade(h.Context(), h.M, l)
		require.NoError(h, err)
		reader.soon()
		writer.stillWaits()
	}},
	{"Change/Shrink", "the paths given back are free at once, the others are held on to", func(h *harness) {
		l := h.hold("a", lease.Paths("f", "g", "h"))
		w := h.queue("b", lease.Paths("g"))
		l, err := lease.Shrink(h.Context(), h.M, l, "g")
		require.NoError(h, err)
		require.Equal(h, lease.Paths("f", "h"), l.Claims)
		w.soon()
		h.denied("b", lease.Paths("f"))
		h.denied("b", lease.Paths("h"))
	}},
	{"Change/Transfer", "a lease goes to another holder, past those who wait, and its old Ref is of no more use", func(h *harness) {
		l := h.hold("a", lease.Paths("f"))
		w := h.queue("c", lease.Paths("f"))
		got, err := lease.Transfer(h.Context(), h.M, l, "b")
		require.NoError(h, err)
		require.NoError(h, lease.Verify(h.Context(), h.M, got.Ref(), "f"))
		h.lost(h.M.Release(h.Context(), l.Ref()), lease.ErrReplaced)
		w.stillWaits()
		h.release(got)
		w.soon()
	}},
	{"Change/StaleLease", "what has ended cannot be changed, and the error says how it ended", func(h *harness) {
		l := h.hold("a", lease.Paths("f", "g"))
		h.release(l)
		for _, change := range replacers {
			_, err := change(h, h.M, l)
			h.lost(err, lease.ErrReleased)
		}
		h.counts(0, 0)
	}},
	{"Change/RenewalsLeft", "what replaces a lease has the renewals that were left, and none if none were, however often it is replaced", func(h *harness) {
		for used := range 4 {
			r := h.request("a", lease.Paths("f", "g"))
			r.MaxRenewals = 3
			l := h.acquire(h.M, r)
			var err error
			for range used {
				l, err = h.M.Renew(h.Context(), l.Ref(), 0)
				require.NoError(h, err)
			}
			for _, change := range replacers {
				l, err = change(h, h.M, l)
				require.NoError(h, err)
			}
			for range 3 - used {
				l, err = h.M.Renew(h.Context(), l.Ref(), 0)
				require.NoError(h, err)
			}
			_, err = h.M.Renew(h.Context(), l.Ref(), 0)
			require.ErrorIs(h, err, lease.ErrRenewalLimit, "after %d renewals before", used)
			h.release(l)
		}
	}},
	{"Change/FailsWhenLost", "when a change fails whose lease was lost meanwhile, the holder is told of the loss at once", func(h *harness) {
		for _, kept := range []bool{true, false} {
			held := h.keep(h.keeper(h.M), h.M, h.shortly("a", lease.Paths("f")), nil)
			_, err := held.Replace(h.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
				if !kept {
					h.force(lease.Query{ID: l.ID})
				}
				h.sleep(short / 2) // a renewal finds it out, and the end is far
				return lease.Lease{}, errWork
			})
			require.ErrorIs(h, err, errWork)
			if kept {
				require.NoError(h, held.Err())
				require.NoError(h, held.Release(h.Context()))
				continue
			}
			h.lost(held.Err(), lease.ErrRevoked)
			require.ErrorIs(h, context.Cause(held.Context()), lease.ErrRevoked)
		}
	}},
	{"Change/LostReply", "a change whose reply is lost is asked for again and found done: the holder does not lose its lease by it", func(h *harness) {
		for _, fault := range []Fault{Fail, DropReply, Repeat} {
			for _, change := range replacers {
				faults, m := h.faulty(FaultOptions{})
				l := h.hold("a", lease.Paths("f", "g"))
				faults.Next(OpAcquire, fault)
				got, err := change(h, m, l)
				require.NoError(h, err)
				require.NoError(h, lease.Verify(h.Context(), h.M, got.Ref(), "f"))
				h.counts(1, 0)
				h.release(got)
			}
		}
	}},
	{"Change/NoAnswer", "a change that cannot be made leaves the old lease, or the new one, and nothing else", func(h *harness) {
		faults, m := h.faulty(FaultOptions{Seed: 3, Ops: []Op{OpAcquire, OpWithdraw}, Faults: []Fault{Fail, DropReply}})
		l := h.acquire(m, h.shortly("a", lease.Paths("f")))
		faults.SetRate(1)
		_, err := lease.Downgrade(h.Context(), m, l)
		require.True(h, errors.Is(err, lease.ErrUnavailable) || errors.Is(err, lease.ErrExpired), "%v", err)
		faults.SetRate(0)
		h.sleep(2 * short)
		h.counts(0, 0)
	}},
}

// replacers are the functions that replace a lease at once.
var replacers = []func(h *harness, m lease.Manager, l lease.Lease) (lease.Lease, error){
	func(h *harness, m lease.Manager, l lease.Lease) (lease.Lease, error) {
		return lease.Downgrade(h.Context(), m, l)
	},
	func(h *harness, m lease.Manager, l lease.Lease) (lease.Lease, error) {
		return lease.Upgrade(h.Context(), m, l)
	},
	func(h *harness, m lease.Manager, l lease.Lease) (lease.Lease, error) {
		return lease.Transfer(h.Context(), m, l, "heir")
	},
	func(h *harness, m lease.Manager, l lease.Lease) (lease.Lease, error) {
		return lease.Shrink(h.Context(), m, l, "g")
	},
}

// interfering is a Manager between whose listed leases something happens.
type interfering struct {
	lease.Manager
	each func(n int, l lease.Lease)
}

func (i *interfering) List(ctx context.Context, q lease.Query) iter.Seq2[lease.Lease, error] {
	return func(yield func(lease.Lease, error) bool) {
		n := 0
		for l, err := range i.Manager.List(ctx, q) {
			if err == nil {
				i.each(n, l)
				n++
			}
			if !yield(l, err) {
				return
			}
		}
	}
}

// verifyCases: does this Ref still own this path, and what does a holder have?
var verifyCases = append([]testCase{
	{"Verify/Owner", "the Ref of an active lease owns what its claims cover, and nothing else", func(h *harness) {
		l := h.hold("a", lease.Trees("src"))
		require.NoError(h, lease.Verify(h.Context(), h.M, l.Ref(), "src"))
		require.NoError(h, lease.Verify(h.Context(), h.M, l.Ref(), "./src/main.go"))
		h.lost(lease.Verify(h.Context(), h.M, l.Ref(), "srcs"), lease.ErrNotHolder)
		other := l.Ref()
		other.Token--
		h.lost(lease.Verify(h.Context(), h.M, other, "src"), lease.ErrNotHolder)
		other = l.Ref()
		other.Holder = "b"
		h.lost(lease.Verify(h.Context(), h.M, other, "src"), lease.ErrNotHolder)
		other = l.Ref()
		other.ID = "unknown"
		lost := h.lost(lease.Verify(h.Context(), h.M, other, "src"), lease.ErrNotFound)
		require.Equal(h, lease.LostError{Op: "verify", Ref: other, Err: lease.ErrNotFound}, *lost)
	}},
	{"Verify/ReleaseAll", "a holder's leases and places in line are released, and nobody else's", func(h *harness) {
		h.hold("a1", lease.Paths("other"))
		for _, path := range []string{"f", "g", "h"} {
			h.hold("a", lease.Paths(path))
		}
		r := h.request("a", lease.Paths("other"))
		r.ID, r.QueueTTL = "place", h.units(600)
		h.refused(h.M, r)
		n, err := lease.ReleaseAll(h.Context(), h.M, lease.Query{Holder: "a"})
		require.NoError(h, err)
		require.Equal(h, 4, n)
		h.counts(1, 0)
	}},
	{"Verify/ReleaseAllCounts", "of a hundred and more those count that were released: not what ended by itself meanwhile", func(h *harness) {
		const all = 150
		for i := range all {
			h.hold("a", lease.Paths(fmt.Sprint("f", i)))
		}
		m := &interfering{Manager: h.M, each: func(n int, l lease.Lease) {
			if n%10 == 0 {
				h.force(lease.Query{ID: l.ID})
			}
		}}
		n, err := lease.ReleaseAll(h.Context(), m, lease.Query{Holder: "a"})
		require.NoError(h, err)
		require.Equal(h, all-all/10, n)
		h.counts(0, 0)
	}},
	{"Verify/Keys", "any text has a path by Key that is its own: no other key's, and in no tree but the root's", func(h *harness) {
		keys := []string{
			"", ".", "..", "...", "/", "//", "a", "a/", "/a", "a/b", "a%2Fb", "a%2fb", "%", "%2E", "%2E%2E", ".a", "a.", "\x00", "\xff", "\xff\xfe", "\ufffd",
			" ", "\n", "\u00e9", "e\u0301", "A", strings.Repeat("k", lease.MaxPathBytes), strings.Repeat("k", lease.MaxPathBytes+1),
			strings.Repeat("k", lease.MaxPathBytes+2), strings.Repeat("/", lease.MaxPathBytes),
		}
		for i, key := range keys {
			path, err := lease.CleanPath(lease.Key(key))
			require.NoError(h, err, "%q", key)
			require.Equal(h, lease.Key(key), path, "%q", key)
			require.NotContains(h, path, "/", "%q", key)
			_, err = h.M.TryAcquire(h.Context(), h.request(fmt.Sprint("h", i), lease.Trees(lease.Key(key))))
			require.NoError(h, err, "%q", key)
		}
		h.counts(len(keys), 0)
		require.Equal(h, len(keys), h.denied("root", lease.Trees("/")).Count)
	}},
}, forEachEnd("Verify/", "Verify and Renew tell the same end: how, by whom, why, and what came after", func(h *harness, e end) {
	l := h.brief("a", lease.Paths("f"), 3)
	e.make(h, l)
	for _, verify := range []error{lease.Verify(h.Context(), h.M, l.Ref(), "f"), lease.Verify(h.Context(), h.M, l.Ref(), "elsewhere")} {
		e.check(h, l, verify)
		require.Equal(h, l.Ref(), h.lost(verify, e.err).Ref)
	}
	_, err := h.M.Renew(h.Context(), l.Ref(), 0)
	e.check(h, l, err)
})...)
