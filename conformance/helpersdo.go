package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

var errWork = errors.New("the work failed")

// doCases: acquire, run, keep renewed, release.
var doCases = []testCase{
	{"Do/Holds", "a lease is held for as long as the function runs, far beyond its TTL, and released at its end", func(h *harness) {
		r := h.shortly("a", lease.Paths("f"))
		r.ID = "held"
		require.NoError(h, lease.Do(h.Context(), h.M, r, func(ctx context.Context, l lease.Lease) error {
			require.True(h, l.Valid())
			for range 5 {
				h.sleep(short / 2)
				h.denied("b", lease.Paths("f"))
			}
			return ctx.Err()
		}))
		h.free("f")
		ended := h.get("held")
		require.Equal(h, lease.EndReleased, ended.EndReason)
		require.GreaterOrEqual(h, ended.Renewals, 5)
	}},
	{"Do/Defaults", "without a holder each call is its own, and without a TTL a lease lasts for keep_ttl", func(h *harness) {
		h.set(func(c *lease.Config) { c.KeepTTL = h.units(short) })
		r := lease.Request{Claims: lease.Paths("f"), Timeout: h.units(1)}
		require.NoError(h, lease.Do(h.Context(), h.M, r, func(_ context.Context, l lease.Lease) error {
			require.Equal(h, h.units(short), l.TTL)
			require.NotEmpty(h, l.Holder)
			err := lease.Do(h.Context(), h.M, r, func(context.Context, lease.Lease) error { return nil })
			require.ErrorIs(h, err, lease.ErrTimeout)
			h.sleep(2 * short)
			h.denied("b", lease.Paths("f"))
			return nil
		}))
		h.free("f")
	}},
	{"Do/Waits", "the function runs when it is the request's turn", func(h *harness) {
		held := h.hold("b", lease.Paths("f"))
		var ran atomic.Bool
		done := make(chan error, 1)
		go func() {
			done <- lease.Do(h.Context(), h.M, h.request("a", lease.Paths("f")), func(context.Context, lease.Lease) error {
				ran.Store(true)
				return nil
			})
		}()
		h.eventually("it waits in line", func() bool {
			s, err := h.M.Stats(h.Context())
			return err == nil && s.Pending == 1
		})
		require.False(h, ran.Load())
		h.release(held)
		require.NoError(h, <-done)
		require.True(h, ran.Load())
	}},
	{"Do/Panics", "the lease of a function that panics is released, and renewed no more", func(h *harness) {
		r := h.shortly("a", lease.Paths("f"))
		r.ID = "broken"
		require.PanicsWithValue(h, "broken", func() {
			_ = lease.Do(h.Context(), h.M, r, func(context.Context, lease.Lease) error {
				h.sleep(short)
				panic("broken")
			})
		})
		h.free("f")
		before := h.kinds("broken")
		h.sleep(2 * short)
		require.Equal(h, before, h.kinds("broken"))
	}},
	{"Do/Cancelled", "when the caller's context ends the lease is held until the function has returned, and released all the same", func(h *harness) {
		ctx, cancel := context.WithCancelCause(h.Context())
		err := lease.Do(ctx, h.M, h.shortly("a", lease.Paths("f")), func(ctx context.Context, _ lease.Lease) error {
			cancel(errWork)
			<-ctx.Done()
			h.sleep(2 * short)
			h.denied("b", lease.Paths("f"))
			return context.Cause(ctx)
		})
		require.Equal(h, errWork, err)
		h.free("f")
	}},
	{"Do/Revoked", "the function's context ends with the reason when the lease is taken away, and so does Do", func(h *harness) {
		err := lease.Do(h.Context(), h.M, h.shortly("a", lease.Paths("f")), func(ctx context.Context, _ lease.Lease) error {
			_, err := h.M.ForceRelease(h.Context(), lease.Query{Holder: "a"}, lease.Revocation{Actor: "root", Reason: "stuck"})
			require.NoError(h, err)
			<-ctx.Done()
			return nil
		})
		lost := h.lost(err, lease.ErrRevoked)
		require.Equal(h, [2]string{"root", "stuck"}, [2]string{lost.Actor, lost.Reason})
	}},
	{"Do/Excludes", "whatever fails, hangs or gets lost on the way, one function runs at a time, and nothing is left behind", func(h *harness) {
		const holders, rounds = 3, 8
		var inside, ran atomic.Int32
		var group sync.WaitGroup
		problems := make(chan error, holders*rounds)
		for i := range holders {
			faults, m := h.faulty(FaultOptions{Seed: uint64(i), Ops: []Op{OpAcquire, OpRenew, OpRelease, OpWithdraw}})
			faults.SetRate(0.2)
			group.Go(func() {
				for range rounds {
					r := h.shortly(fmt.Sprint("holder-", i), lease.Paths("f"))
					err := lease.Do(h.Context(), m, r, func(ctx context.Context, _ lease.Lease) error {
						if inside.Add(1) != 1 {
							return errWork
						}
						h.pass(h.Unit / 5)
						ran.Add(1)
						inside.Add(-1)
						return ctx.Err()
					})
					if err != nil && !errors.Is(err, lease.ErrUnavailable) {
						problems <- err
					}
				}
				faults.SetRate(0)
			})
		}
		group.Wait()
		close(problems)
		for err := range problems {
			require.NoError(h, err)
		}
		require.Greater(h, ran.Load(), int32(rounds))
		h.sleep(short)
		h.counts(0, 0)
	}},
}
