package delegate

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// world is a store with a lease in it, and a delegate of that.
type world struct {
	*testing.T
	above  lease.Manager // the store's
	keeper *lease.Keeper
	held   *lease.Held
	below  lease.Manager
}

// inWorld runs a test in a bubble. r is the lease above.
func inWorld(t *testing.T, r lease.Request, o *Options, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, above: memory.New(nil)}
		defer func() { require.NoError(t, w.above.Close()) }()
		w.keeper = lease.NewKeeper(w.above, &lease.KeeperOptions{Watch: w.above})
		defer w.keeper.Close()
		r.Holder = "parent"
		if r.TTL == 0 {
			r.TTL = time.Minute
		}
		var err error
		w.held, err = w.keeper.TryAcquire(t.Context(), r, nil)
		require.NoError(t, err)
		below, err := New(t.Context(), w.above, w.held, o)
		require.NoError(t, err)
		defer func() { require.NoError(t, below.Close()) }()
		w.below = below
		test(w)
	})
}

func request(holder string, paths ...string) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths(paths...), TTL: 10 * time.Second}
}

func (w *world) take(m lease.Manager, holder, path string) lease.Lease {
	w.Helper()
	l, err := m.TryAcquire(w.Context(), request(holder, path))
	require.NoError(w, err)
	return l
}

// wait begins a call of Acquire, and returns how to get its error.
func (w *world) wait(holder, path string) (result func() error) {
	done := make(chan error, 1)
	r := request(holder, path)
	r.Timeout = lease.NoTimeout
	go func() {
		_, err := w.below.Acquire(w.Context(), r)
		done <- err
	}()
	synctest.Wait()
	return func() error { return <-done }
}

// lost requires the error of the lease above.
func (w *world) lost(err, target error) {
	w.Helper()
	require.ErrorIs(w, err, target)
	var lost *lease.LostError
	require.ErrorAs(w, err, &lost)
	require.Equal(w, w.held.Lease().ID, lost.Ref.ID)
}

func TestClaimsLieWithinTheParent(t *testing.T) {
	inWorld(t, lease.Request{Claims: append(lease.Trees("src"), lease.SharedPaths("go.mod")...)}, nil, func(w *world) {
		for _, inside := range [][]lease.Claim{
			lease.Paths("src"), lease.Trees("src"), lease.Trees("src/a/b"), lease.SharedPaths("go.mod"),
			append(lease.Paths("src/x"), lease.SharedPaths("go.mod")...),
		} {
			l, err := w.below.TryAcquire(w.Context(), lease.Request{Holder: "a", Claims: inside})
			require.NoError(w, err)
			require.NoError(w, w.below.Release(w.Context(), l.Ref()))
		}
		for _, outside := range [][]lease.Claim{
			lease.Paths("srcs"), lease.Trees("/"), lease.Paths("go.mod"), lease.SharedTrees("go.mod"),
			append(lease.Paths("src/x"), lease.Paths("y")...),
		} {
			_, err := w.below.Acquire(w.Context(), lease.Request{Holder: "a", Claims: outside})
			var invalid *lease.InvalidError
			require.ErrorAs(w, err, &invalid)
			require.Equal(w, "parent", invalid.Field)
		}
	})
}

func TestTheParentMayBeNamed(t *testing.T) {
	inWorld(t, lease.Request{Claims: lease.Trees("src")}, nil, func(w *world) {
		r := request("a", "src/x")
		r.ID, r.Parent = "mine", w.held.Lease().Ref()
		l, err := w.below.TryAcquire(w.Context(), r)
		require.NoError(w, err)
		again, err := w.below.TryAcquire(w.Context(), r)
		require.NoError(w, err)
		require.Equal(w, l.Ref(), again.Ref())
	})
}

func TestTokensLieBetweenThoseOfTheStore(t *testing.T) {
	inWorld(t, lease.Request{Claims: lease.Trees("src")}, &Options{TokenBlock: 3}, func(w *world) {
		last := w.held.Lease().Token
		for range 10 {
			l := w.take(w.below, "a", "src/x")
			require.Greater(w, l.Token, last)
			last = l.Token
			require.NoError(w, w.below.Release(w.Context(), l.Ref()))
			w.take(w.above, "b", "other")
		}
		stats, err := w.below.Stats(w.Context())
		require.NoError(w, err)
		require.Equal(w, last, stats.Token)
		require.NoError(w, w.held.Release(w.Context()))
		require.Greater(w, w.take(w.above, "b", "src").Token, last)
	})
}

func TestADelegateOfADelegate(t *testing.T) {
	inWorld(t, lease.Request{Claims: lease.Trees("src")}, nil, func(w *world) {
		k := lease.NewKeeper(w.below, nil)
		defer k.Close()
		held, err := k.TryAcquire(w.Context(), lease.Request{Holder: "sub", Claims: lease.Trees("src/a")}, nil)
		require.NoError(w, err)
		before := w.take(w.below, "other", "src/b")
		lowest, err := New(w.Context(), w.below, held, nil)
		require.NoError(w, err)
		defer func() { require.NoError(w, lowest.Close()) }()
		l := w.take(lowest, "task", "src/a/x")
		require.Greater(w, l.Token, before.Token)
		require.Greater(w, w.take(w.below, "other", "src/c").Token, l.Token)
		require.NoError(w, w.held.Release(w.Context()))
		require.Greater(w, w.take(w.above, "other", "src").Token, l.Token)
	})
}

func TestNothingLastsLongerThanTheParent(t *testing.T) {
	r := lease.Request{Claims: lease.Trees("src"), TTL: 5 * time.Second, MaxRenewals: lease.NoRenewals}
	inWorld(t, r, nil, func(w *world) {
		time.Sleep(1234567 * time.Nanosecond)
		l := w.take(w.below, "a", "src/x")
		require.LessOrEqual(w, l.Remaining(), w.held.Lease().Remaining())
		require.Greater(w, l.Remaining(), w.held.Lease().Remaining()-100*time.Millisecond)
		renewed, err := w.below.Renew(w.Context(), l.Ref(), time.Hour)
		require.NoError(w, err)
		require.LessOrEqual(w, renewed.Remaining(), w.held.Lease().Remaining())
		waits := w.wait("b", "src/x")
		time.Sleep(w.held.Lease().Remaining())
		synctest.Wait()
		require.False(w, l.Valid())
		w.lost(waits(), lease.ErrExpired)
		_, err = w.below.TryAcquire(w.Context(), request("c", "src/y"))
		w.lost(err, lease.ErrExpired)
		_, err = w.below.Renew(w.Context(), l.Ref(), 0)
		w.lost(err, lease.ErrExpired)
	})
}

func TestTheAuditKnowsThatTheParentEnds(t *testing.T) {
	c := lease.DefaultConfig()
	r := lease.Request{Claims: lease.Trees("src"), TTL: 4 * time.Second}
	inWorld(t, r, &Options{Config: &c}, func(w *world) {
		for range 3 {
			l := w.take(w.below, "a", "src/x")
			waits := w.wait("b", "src/x")
			require.NoError(w, w.below.Release(w.Context(), l.Ref()))
			require.NoError(w, waits())
			time.Sleep(w.held.Lease().TTL) // it is renewed meanwhile
		}
		w.take(w.below, "c", "src/y")
		l, err := w.below.TryAcquire(w.Context(), lease.Request{Holder: "d", Claims: lease.Paths("src/z"), TTL: time.Second})
		require.NoError(w, err)
		require.NoError(w, w.below.Release(w.Context(), l.Ref()))
		conformance.Check(w, w.below)

		var short int
		for e, err := range w.below.History(w.Context(), lease.Query{All: true, Kinds: []lease.Kind{lease.KindGranted}}) {
			require.NoError(w, err)
			require.Equal(w, e.Lease.ExpiresAt.Before(e.At.Add(e.Lease.TTL)), e.Reason == lease.ReasonCovered)
			if e.Reason != "" {
				short++
			}
		}
		require.Equal(w, 7, short)
	})
}

func TestNothingIsGrantedForNoTime(t *testing.T) {
	s := under(t, lease.Trees("src"), &Options{})
	s.until.Store(s.at(lease.Clock()).UnixMilli())
	r := request("a", "src/x")
	r.ID = "late"
	reply, err := s.Store.Acquire(t.Context(), backend.AcquireArgs{Request: r, Attempt: "a1", ConfigVersion: 1})
	require.NoError(t, err)
	require.Equal(t, backend.Again, reply.Outcome, "of what was asked in time")
	m := backend.New(s, nil)
	_, err = m.TryAcquire(t.Context(), r)
	require.ErrorIs(t, err, lease.ErrExpired)
	require.NoError(t, m.Close())
}

func TestRenewalsOfTheParentCount(t *testing.T) {
	inWorld(t, lease.Request{Claims: lease.Trees("src"), TTL: 6 * time.Second}, nil, func(w *world) {
		l := w.take(w.below, "a", "src/x")
		for range 5 {
			time.Sleep(3 * time.Second)
			var err error
			l, err = w.below.Renew(w.Context(), l.Ref(), 0)
			require.NoError(w, err)
			require.True(w, l.Valid())
		}
	})
}

func TestTheEndOfTheParent(t *testing.T) {
	for name, c := range map[string]struct {
		end func(w *world) error
		is  error
	}{
		"Released": {func(w *world) error { return w.held.Release(w.Context()) }, lease.ErrReleased},
		"Revoked": {func(w *world) error {
			_, err := w.above.ForceRelease(w.Context(), lease.Query{Holder: "parent"}, lease.Revocation{Actor: "root"})
			return err
		}, lease.ErrRevoked},
		"Replaced": {func(w *world) error {
			_, err := w.held.Replace(w.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
				return lease.Downgrade(ctx, w.above, l)
			})
			return err
		}, lease.ErrReplaced},
		"Detached":     {func(w *world) error { _, err := w.held.Detach(w.Context(), 0); return err }, lease.ErrClosed},
		"KeeperClosed": {func(w *world) error { w.keeper.Close(); return nil }, lease.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, lease.Request{Claims: lease.Trees("src")}, nil, func(w *world) {
				l := w.take(w.below, "a", "src/x")
				waits := w.wait("b", "src/x")
				require.NoError(w, c.end(w))
				time.Sleep(time.Second) // what is revoked is seen by a Watch
				_, err := w.below.TryAcquire(w.Context(), request("c", "src/a"))
				require.ErrorIs(w, err, c.is)
				require.ErrorIs(w, waits(), c.is)
				_, err = w.below.Renew(w.Context(), l.Ref(), 0)
				require.ErrorIs(w, err, c.is)
				got, err := w.below.Get(w.Context(), l.ID)
				require.NoError(w, err)
				require.Equal(w, lease.EndRevoked, got.EndReason)
				require.Equal(w, "parent", got.Revoked.Actor)
				stats, err := w.below.Stats(w.Context())
				require.NoError(w, err)
				require.Zero(w, stats.Active+stats.Pending)
			})
		})
	}
}

func TestTheContextOfTheParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New(nil)
		defer func() { require.NoError(t, m.Close()) }()
		k := lease.NewKeeper(m, nil)
		defer k.Close()
		ctx, cancel := context.WithCancel(t.Context())
		r := lease.Request{Holder: "parent", Claims: lease.Trees("src"), TTL: time.Minute}
		require.NoError(t, k.Do(ctx, r, nil, func(ctx context.Context, held *lease.Held) error {
			d, err := New(ctx, m, held, nil)
			require.NoError(t, err)
			defer func() { require.NoError(t, d.Close()) }()
			cancel()
			synctest.Wait()
			_, err = d.TryAcquire(t.Context(), request("a", "src/x"))
			require.ErrorIs(t, err, lease.ErrClosed)
			require.ErrorIs(t, err, context.Canceled)
			return nil
		}))
	})
}

// reserving is a Manager whose reservations a test counts, delays and fails.
type reserving struct {
	lease.Manager
	mu    sync.Mutex
	calls int
	fails error
	hold  chan struct{} // if not nil, calls wait for it to be closed
}

func (r *reserving) ReserveTokens(ctx context.Context, held lease.Ref, n int) (lease.TokenBlock, error) {
	r.mu.Lock()
	r.calls++
	fails, hold := r.fails, r.hold
	r.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
		}
	}
	if fails != nil {
		return lease.TokenBlock{}, fails
	}
	return lease.ReserveTokens(ctx, r.Manager, held, n)
}

// inReserving runs a test in a bubble, with a delegate that reserves 4 tokens at
// once.
func inReserving(t *testing.T, test func(w *world, r *reserving)) {
	inWorld(t, lease.Request{Claims: lease.Trees("src")}, nil, func(w *world) {
		r := &reserving{Manager: w.above}
		d, err := New(w.Context(), r, w.held, &Options{TokenBlock: 4})
		require.NoError(w, err)
		defer func() { require.NoError(w, d.Close()) }()
		w.below = d
		test(w, r)
	})
}

func TestTokensAreReservedAhead(t *testing.T) {
	inReserving(t, func(w *world, r *reserving) {
		r.hold = make(chan struct{})
		for range 4 { // the last two are granted while the next block is being reserved
			w.take(w.below, "a", "src/x")
		}
		synctest.Wait()
		require.Equal(w, 2, r.calls)
		waits := w.wait("a", "src/x")
		close(r.hold)
		require.NoError(w, waits())
	})
}

func TestNoTokens(t *testing.T) {
	inReserving(t, func(w *world, r *reserving) {
		r.fails = errors.New("down")
		for range 4 {
			w.take(w.below, "a", "src/x")
			synctest.Wait()
		}
		require.Equal(w, 2, r.calls, "a reservation that failed is not tried again at once")
		_, err := w.below.TryAcquire(w.Context(), request("a", "src/x"))
		require.ErrorIs(w, err, lease.ErrUnavailable)
		require.ErrorIs(w, err, r.fails)
		time.Sleep(time.Second)
		r.fails = nil
		w.take(w.below, "a", "src/x")
	})
}

func TestTheStoreSaysThatTheParentIsLost(t *testing.T) {
	inReserving(t, func(w *world, r *reserving) {
		r.fails = &lease.LostError{Op: "reserve tokens", Ref: w.held.Lease().Ref(), Err: lease.ErrRevoked}
		var l lease.Lease
		for range 4 {
			l = w.take(w.below, "a", "src/x")
		}
		_, err := w.below.TryAcquire(w.Context(), request("a", "src/x"))
		w.lost(err, lease.ErrRevoked)
		_, err = w.below.Renew(w.Context(), l.Ref(), 0)
		w.lost(err, lease.ErrRevoked)
	})
}

func TestCloseGivesUpAReservation(t *testing.T) {
	inReserving(t, func(w *world, r *reserving) {
		r.hold = make(chan struct{})
		for range 4 {
			w.take(w.below, "a", "src/x")
		}
		waits := w.wait("b", "src/y")
		require.NoError(w, w.below.Close())
		require.Error(w, waits())
	})
}

func TestNewRefuses(t *testing.T) {
	inWorld(t, lease.Request{Claims: lease.Trees("src")}, nil, func(w *world) {
		for name, c := range map[string]struct {
			a    lease.Acquirer
			held *lease.Held
			o    *Options
		}{
			"NotHeld":      {w.above, nil, nil},
			"NoTokens":     {struct{ lease.Acquirer }{w.above}, w.held, nil},
			"LargeBlock":   {w.above, w.held, &Options{TokenBlock: lease.MaxTokenBlock + 1}},
			"NoBlock":      {w.above, w.held, &Options{TokenBlock: -1}},
			"NoConfig":     {w.above, w.held, &Options{Config: &lease.Config{}}},
			"NotItsHolder": {memory.New(nil), w.held, nil},
		} {
			_, err := New(w.Context(), c.a, c.held, c.o)
			if name == "NotItsHolder" {
				require.ErrorIs(w, err, lease.ErrNotFound, name)
				require.NoError(w, c.a.(lease.Manager).Close())
			} else {
				require.ErrorIs(w, err, lease.ErrInvalid, name)
			}
		}
		require.NoError(w, w.held.Release(w.Context()))
		_, err := New(w.Context(), w.above, w.held, nil)
		w.lost(err, lease.ErrReleased)
	})
}

var _ backend.Store = (*store)(nil)
