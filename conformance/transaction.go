package conformance

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// transactionGroup are cases for stores whose fixture has OpenFaulty.
const transactionGroup = "Transaction/"

// RunTransactions runs the cases of [Run] once more on a store on package rules of
// which every third transaction fails at first, in the middle or at its commit, and
// is repeated: nobody may notice. The fixture must have OpenFaulty. Under the race
// detector it runs a third of the cases.
func RunTransactions(t *testing.T, newFixture func(testing.TB) Fixture) {
	if newFixture(t).OpenFaulty == nil {
		t.Fatal("the fixture has no OpenFaulty")
	}
	var suite []testCase
	for i, c := range cases() {
		if !neverFaulty(c) && (!underRace || i%3 == 0) {
			suite = append(suite, c)
		}
	}
	runCases(t, suiteOf(t, newFixture, suite), func(t testing.TB) Fixture {
		f := newFixture(t)
		name := fnv.New64a()
		_, _ = io.WriteString(name, t.Name())
		var opened atomic.Uint64
		f.Open = func(t testing.TB) backend.Store {
			seed := name.Sum64() + opened.Add(1) // a case has the same faults each time
			return repeating{f.OpenFaulty(t, NewTxFaults(seed, 1./3))}
		}
		return f
	})
}

// neverFaulty reports whether a case cannot do with transactions that fail.
func neverFaulty(c testCase) bool {
	return c.needs(transactionGroup) || // it makes its own
		c.needs("ClockLoad/") ||
		c.name == "Reopen/RefusalCounts" // Close writes them, and tries once
}

// repeating is a store that repeats what was made to fail.
type repeating struct{ backend.Store }

func repeated[T any](call func() (T, error)) (reply T, err error) {
	for range 100 {
		if reply, err = call(); !errors.Is(err, ErrInjected) {
			break
		}
	}
	return reply, err
}

func (r repeating) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	return repeated(func() (backend.AcquireReply, error) { return r.Store.Acquire(ctx, a) })
}

func (r repeating) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	return repeated(func() (backend.RenewReply, error) { return r.Store.Renew(ctx, a) })
}

func (r repeating) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return repeated(func() (backend.ReleaseReply, error) { return r.Store.Release(ctx, a) })
}

func (r repeating) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	return repeated(func() (backend.WithdrawReply, error) { return r.Store.Withdraw(ctx, a) })
}

func (r repeating) Force(ctx context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return repeated(func() (backend.ForceReply, error) { return r.Store.Force(ctx, a) })
}

func (r repeating) Sweep(ctx context.Context, limit int) (backend.SweepReply, error) {
	return repeated(func() (backend.SweepReply, error) { return r.Store.Sweep(ctx, limit) })
}

func (r repeating) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	return repeated(func() (lease.Config, error) { return r.Store.SetConfig(ctx, c) })
}

// transactionCases: what fails in the middle leaves nothing behind.
var transactionCases = slices.Concat(overlapCases, []testCase{
	{"Transaction/HeldUp", "a call that waits for the end of another one's transaction ends with its own context, and has done nothing", heldUp},
},
	forEachOperation("Transaction/CallFails", "a step of which some call fails leaves nothing behind, and is done when it is repeated",
		func(h *harness, o operation) {
			stride := 1
			if underRace {
				stride = 3 // each call costs as much as all those before it
			}
			for n := 1; h.goesWrong(o, n, func(f *TxFaults) { f.FailCall(n) }); n += stride {
				require.Less(h, n, 1000)
			}
		}),
	forEachOperation("Transaction/CommitFails", "a step of which the commit fails leaves nothing behind, and is done when it is repeated",
		func(h *harness, o operation) { h.goesWrong(o, 1, (*TxFaults).FailCommit) }),
)

// operation is a call of a store that goes wrong.
type operation struct {
	name string
	// prepare makes what the call needs, under a path and a holder of its own, and
	// returns the call. What it returns must be the same for all of them.
	prepare func(h *harness, d direct, path string) func(s backend.Store) (any, error)
}

func forEachOperation(prefix, why string, run func(h *harness, o operation)) []testCase {
	all := make([]testCase, len(operations))
	for i, o := range operations {
		all[i] = testCase{prefix + "In" + o.name, why, func(h *harness) { run(h, o) }}
	}
	return all
}

// goesWrong prepares the operation twice, lets the second one go wrong and then
// repeats it, and requires that nothing but the first shows. It reports whether
// there was a fault at all.
func (h *harness) goesWrong(o operation, n int, arm func(*TxFaults)) bool {
	h.Helper()
	faults := NewTxFaults(1, 0)
	faulty := h.fixture.OpenFaulty(h.TB, faults)
	h.closing(faulty)
	d := h.direct()
	expected, err := o.prepare(h, d, fmt.Sprint("sound", n))(d.Store)
	require.NoError(h, err)
	call := o.prepare(h, d, fmt.Sprint("wrong", n))
	before := h.everything()
	arm(faults)
	got, err := call(faulty)
	fired := faults.Fired() > 0
	if fired {
		require.ErrorIs(h, err, ErrInjected, "the step failed at call %d, and the store says that it is done", n)
		require.Equal(h, before, h.everything(), "the step failed at call %d and left something behind", n)
		got, err = call(faulty)
	}
	require.NoError(h, err)
	require.Equal(h, expected, got, "the step failed at call %d and was repeated", n)
	return fired
}

// everything returns all that a store tells, but for the time.
func (h *harness) everything() any {
	h.Helper()
	stats, err := h.M.Stats(h.Context())
	require.NoError(h, err)
	config, err := h.M.Config(h.Context())
	require.NoError(h, err)
	all := []any{stats.Active, stats.Pending, stats.Head, stats.Token, stats.Refused, config}
	statuses := []lease.Status{lease.Pending, lease.Active, lease.Expired, lease.Released, lease.Failed}
	for l, err := range h.M.List(h.Context(), lease.Query{Status: statuses}) {
		require.NoError(h, err)
		all = append(all, fmt.Sprintf("%+v", l.Measured(0, 0)))
	}
	for _, e := range h.events(lease.Query{All: true}) {
		all = append(all, fmt.Sprintf("%+v", e))
	}
	return all
}

// operations are one of each kind, each with as much to do as there may be.
var operations = []operation{
	{"Acquire", func(h *harness, d direct, path string) func(backend.Store) (any, error) {
		h.brief("expired-"+path, lease.Paths(path), 1)
		h.sleep(2)
		a := d.args(h.request("a-"+path, lease.Paths(path, path+"/more")), path, 0)
		return func(s backend.Store) (any, error) {
			reply, err := s.Acquire(h.Context(), a)
			return reply.Outcome, err
		}
	}},
	{"AcquireInLine", func(h *harness, d direct, path string) func(backend.Store) (any, error) {
		h.hold("own-"+path, lease.Paths(path))
		d.queued(h.request("first-"+path, lease.Paths(path)), "first "+path, h.units(600))
		a := d.args(h.request("a-"+path, lease.Paths(path)), path, h.units(600))
		return func(s backend.Store) (any, error) {
			reply, err := s.Acquire(h.Context(), a)
			return [2]int{int(reply.Outcome), reply.Position}, err
		}
	}},
	{"AcquireRefused", func(h *harness, d direct, path string) func(backend.Store) (any, error) {
		h.hold("own-"+path, lease.Paths(path))
		a := d.args(h.request("a-"+path, lease.Paths(path)), path, 0)
		before, err := h.M.Stats(h.Context())
		require.NoError(h, err)
		return func(s backend.Store) (any, error) {
			if _, err := s.Acquire(h.Context(), a); err != nil {
				return nil, err
			}
			after, err := s.Stats(h.Context())
			return after.Refused - before.Refused, err
		}
	}},
	{"AcquireInPlace", func(h *harness, d direct, path string) func(backend.Store) (any, error) {
		old := h.hold("a-"+path, lease.Paths(path))
		d.queued(h.request("b-"+path, lease.Paths(path)), "b "+path, h.units(600))
		r := h.request("a-"+path, lease.Paths(path+"/other"))
		r.Replace = old.Ref()
		a := d.args(r, path, 0)
		return func(s backend.Store) (any, error) {
			reply, err := s.Acquire(h.Context(), a)
			return reply.Outcome, err
		}
	}},
	{"Renew", func(h *harness, d direct, path string) func(backend.Store) (any, error) {
		l := h.hold("a-"+path, lease.Paths(path))
		d.queued(h.request("b-"+path, lease.Paths(path)), "b "+path, h.units(600))
		config, err := d.Config(h.Context())
		require.NoError(h, err)
		args := backend.RenewArgs{Ref: l.Ref(), TTL: h.units(300), MaxTTL: lease.MaxTTL, Op: "op", ConfigVersion: config.Config.Version}
		return func(s backend.Store) (any, error) {
			reply, err := s.Renew(h.Context(), args)
			return [2]int{reply.Lease.Renewals, reply.Lease.Contention.Waiters}, err
		}
	}},
	{"Release", func(h *harness, d direct, path string) func(backend.Store) (any, error) {
		l := h.hold("a-"+path, lease.Paths(path))
		r := h.request("child-"+path, lease.Paths(path))
		r.Parent = l.Ref()
		child := h.acquire(h.M, r)
		r = h.request("b-"+path, lease.Paths(path))
		r.Parent, r.ID = l.Ref(), ""
		d.queued(r, "b "+path, h.units(600))
		d.queued(h.request("c-"+path, lease.Paths(path)), "c "+path, h.units(600)) // is next, and so to be found
		h.release(child)
		return func(s backend.Store) (any, error) {
			reply, err := s.Release(h.Context(), backend.ReleaseArgs{Ref: l.Ref()})
			return reply.Outcome, err
		}
	}},
	{"Withdraw", func(h *harness, d direct, path string) func(backend.Store) (any, error) {
		h.hold("own-"+path, lease.Paths(path))
		a := d.queued(h.request("a-"+path, lease.Paths(path)), path, h.units(600))
		return func(s backend.Store) (any, error) {
			reply, err := s.Withdraw(h.Context(), backend.WithdrawArgs{
				ID: a.Request.ID, Holder: a.Request.Holder, Attempt: a.Attempt, Why: lease.EndTimeout,
			})
			return reply.Outcome, err
		}
	}},
	{"Force", func(h *harness, d direct, path string) func(backend.Store) (any, error) {
		h.hold("a-"+path, lease.SharedPaths(path))
		h.hold("b-"+path, lease.SharedPaths(path))
		d.queued(h.request("c-"+path, lease.Paths(path)), "c "+path, h.units(600))
		args := backend.ForceArgs{
			Query: lease.Query{Under: path}, Revocation: lease.Revocation{Actor: "root", Reason: "stuck"}, Op: "force " + path,
		}
		return func(s backend.Store) (any, error) {
			reply, err := s.Force(h.Context(), args)
			return len(reply.Leases), err
		}
	}},
	{"Sweep", func(h *harness, d direct, path string) func(backend.Store) (any, error) {
		h.manualSweep()
		h.gaps = true
		h.set(func(c *lease.Config) { c.HistoryMaxEvents, c.EndedRetention = 3, lease.MinEndedRetention })
		d.withdraw(d.args(h.request("a-"+path, lease.Paths(path)), path, 0))
		h.release(h.hold("b-"+path, lease.Paths(path)))
		h.pass(lease.MinEndedRetention + h.units(1))
		h.brief("c-"+path, lease.Paths(path), 1)
		h.sleep(2)
		return func(s backend.Store) (any, error) {
			reply, err := s.Sweep(h.Context(), 100)
			return [2]int{reply.Result.Expired, reply.Result.Lapsed}, err
		}
	}},
	{"SetConfig", func(h *harness, d direct, _ string) func(backend.Store) (any, error) {
		config, err := d.Config(h.Context())
		require.NoError(h, err)
		c := config.Config
		c.MaxLeasesPerHolder = 100
		return func(s backend.Store) (any, error) {
			set, err := s.SetConfig(h.Context(), c)
			return set.MaxLeasesPerHolder, err
		}
	}},
}

func heldUp(h *harness) {
	faults := NewTxFaults(1, 0)
	m := h.manage(h.fixture.OpenFaulty(h.TB, faults), nil)
	h.release(h.acquire(m, h.request("a", lease.Paths("f")))) // it has read the configuration
	held, resume := faults.HoldCommit()
	defer resume()
	first := make(chan error, 1)
	go func() {
		_, err := m.TryAcquire(h.Context(), h.request("a", lease.Paths("f")))
		first <- err
	}()
	<-held
	for i, other := range []lease.Manager{m, h.M} {
		ctx, cancel := context.WithTimeout(h.Context(), h.units(5))
		began := time.Now()
		_, err := other.TryAcquire(ctx, h.request("b", lease.Paths(fmt.Sprint("g", i))))
		cancel()
		require.ErrorIs(h, err, context.DeadlineExceeded)
		require.Less(h, time.Since(began), h.units(5)+h.patience())
	}
	resume()
	require.NoError(h, <-first)
	h.eventually("what was given up holds nothing", func() bool { return h.stats().Active == 1 })
	h.hold("c", lease.Paths("g0", "g1"))
}
