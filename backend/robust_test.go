package backend_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/everycall"
	"github.com/leasekit/leasekit/lease"
)

// A nil context is a mistake that is told, in every call.
func TestNilContext(t *testing.T) {
	manage(t, nil, func(t *testing.T, _ *script, m lease.Manager) {
		for name, call := range everycall.Of(m, request(), held) {
			require.ErrorIs(t, call(nil), lease.ErrInvalid, name)
		}
	})
}

// A store call that never returns, whatever becomes of its context, does not
// keep Close. The store is closed when it does return.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		hung := make(chan struct{})
		s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			<-hung
			return grant(a), nil
		}
		m := backend.New(s, nil)
		done := start(t.Context(), m, request())
		took := elapsed()
		err := m.Close()
		require.LessOrEqual(t, took(), 2*time.Second)
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.Equal(t, err, m.Close(), "said again")
		require.Zero(t, s.closed)
		close(hung)
		require.ErrorIs(t, (<-done).err, lease.ErrClosed)
		synctest.Wait()
		require.Equal(t, 1, s.closed)
		_, withdrawn := s.state()
		require.Len(t, withdrawn, 1, "the grant is given back")
	})
}

// An Observer that panics takes its call along, but neither the lease or place
// that the call got, nor Close.
func TestPanickingObserver(t *testing.T) {
	type scene struct {
		observer backend.Observer
		ask      func(m lease.Manager)
		acquire  answer
		want     string // what is done for it
	}
	granted := func(context.Context, lease.Lease, time.Duration) { panic("granted") }
	try := func(m lease.Manager) { _, _ = m.TryAcquire(context.Background(), request()) }
	wait := func(m lease.Manager) { _, _ = m.Acquire(context.Background(), request()) }
	for name, c := range map[string]scene{
		"a grant":  {backend.Observer{Granted: granted}, try, granting, "released"},
		"a waiter": {backend.Observer{Queued: func(context.Context, *lease.ConflictError) { panic("queued") }}, wait, queueing, "withdrawn"},
		"a refusal": {
			backend.Observer{Refused: func(context.Context, lease.Request, time.Duration, error) { panic("refused") }},
			try, outcome(backend.Refused), "withdrawn",
		},
		"a renewal": {
			backend.Observer{Renewed: func(context.Context, lease.Lease, time.Duration) { panic("renewed") }},
			func(m lease.Manager) { _, _ = m.Renew(context.Background(), held, 0) }, granting, "",
		},
		"any call of the store": {
			backend.Observer{StoreCall: func(_ context.Context, op string, _ time.Duration, _ error) {
				if op == "acquire" {
					panic("called")
				}
			}},
			wait, granting, "withdrawn",
		},
	} {
		t.Run(name, func(t *testing.T) {
			manage(t, &backend.Options{Observer: &c.observer}, func(t *testing.T, s *script, m lease.Manager) {
				var mu sync.Mutex
				did := ""
				note := func(what string) { mu.Lock(); did = what; mu.Unlock() }
				s.acquire = answers(c.acquire)
				s.renew = func(context.Context, backend.RenewArgs) (backend.RenewReply, error) { return backend.RenewReply{}, nil }
				s.release = func(context.Context, backend.ReleaseArgs) (backend.ReleaseReply, error) {
					note("released")
					return backend.ReleaseReply{}, nil
				}
				s.withdraw = func(context.Context, backend.WithdrawArgs) (backend.WithdrawReply, error) {
					note("withdrawn")
					return backend.WithdrawReply{}, nil
				}
				require.Panics(t, func() { c.ask(m) })
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				require.Equal(t, c.want, did)
			})
		})
	}
}

// However many calls ask for one ID at once, they are one attempt, which is
// taken back when the last of them has given up.
func TestCallsForOneIDAreOneAttempt(t *testing.T) {
	const calls = 20
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing)
		r := request()
		r.ID = "mine"
		ctx, cancel := context.WithCancel(t.Context())
		var all []<-chan result
		for range calls {
			all = append(all, start(ctx, m, r))
		}
		last, cancelLast := context.WithCancel(t.Context())
		remaining := start(last, m, r)
		names := map[string]bool{}
		asks, _ := s.state()
		for _, a := range asks {
			names[a.Attempt] = true
		}
		require.Len(t, names, 1)
		require.NotContains(t, names, "mine")

		cancel()
		for _, done := range all {
			require.ErrorIs(t, (<-done).err, context.Canceled)
		}
		_, withdrawn := s.state()
		require.Empty(t, withdrawn, "one still waits")
		cancelLast()
		require.ErrorIs(t, (<-remaining).err, context.Canceled)
		_, withdrawn = s.state()
		require.Len(t, withdrawn, 1)
		require.True(t, names[withdrawn[0].Attempt])

		again := start(t.Context(), m, r)
		asks, _ = s.state()
		require.False(t, names[asks[len(asks)-1].Attempt], "a withdrawn attempt is never used again")
		require.NoError(t, m.Close())
		<-again
	})
}

// What one of the calls was granted is not taken back by another that gives up;
// nor is it when that one was the last.
func TestGrantOfOneCallStands(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = answers(queueing, queueing, granting)
		r := request()
		r.ID = "mine"
		ctx, cancel := context.WithCancel(t.Context())
		gone, stays := start(ctx, m, r), start(t.Context(), m, r)
		cancel()
		require.ErrorIs(t, (<-gone).err, context.Canceled)
		s.hint <- struct{}{}
		require.NoError(t, (<-stays).err)
		_, withdrawn := s.state()
		require.Empty(t, withdrawn)
	})
}

// A try that is refused is the last to know of a place that another call has
// left to it.
func TestRefusedTryWithdrawsForOthers(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		held := make(chan struct{})
		s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			if a.PlaceTTL == 0 {
				<-held
			}
			return queued(0), nil
		}
		r := request()
		r.ID = "mine"
		ctx, cancel := context.WithCancel(t.Context())
		waits := start(ctx, m, r)
		tried := make(chan error)
		go func() { _, err := m.TryAcquire(t.Context(), r); tried <- err }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, (<-waits).err, context.Canceled)
		close(held)
		require.ErrorIs(t, <-tried, lease.ErrConflict)
		synctest.Wait()
		_, withdrawn := s.state()
		require.Len(t, withdrawn, 1)
	})
}

// An ask says by when, by the store's clock, it must be decided: as long as its
// caller waits, and a minute at most.
func TestAsksAreBoundedByTheStoresClock(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		_, err := m.TryAcquire(t.Context(), request())
		require.NoError(t, err)
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = m.TryAcquire(ctx, request())
		require.NoError(t, err)
		asks, _ := s.state()
		now := time.Now()
		require.Equal(t, now.Add(-time.Hour+time.Minute+time.Millisecond), asks[0].NotAfter)
		require.Equal(t, now.Add(5*time.Second+time.Millisecond), asks[1].NotAfter)
	})
}

// A step of the store's clock is no error: the ask is put again with a later
// bound. A store that says so without a reason breaks its contract.
func TestLateAskIsPutAgain(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		ahead := time.Now().Add(240 * time.Hour)
		s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			if ahead.After(a.NotAfter) {
				return backend.AcquireReply{Outcome: backend.Late, Now: ahead}, nil
			}
			return grant(a), nil
		}
		_, err := m.TryAcquire(t.Context(), request())
		require.NoError(t, err)
		asks, _ := s.state()
		require.Len(t, asks, 2)
		require.Equal(t, ahead.Add(time.Minute+time.Millisecond), asks[1].NotAfter)
		require.Equal(t, asks[0].Attempt, asks[1].Attempt)

		s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			return backend.AcquireReply{Outcome: backend.Late, Now: a.NotAfter}, nil
		}
		_, err = m.TryAcquire(t.Context(), request())
		require.ErrorIs(t, err, lease.ErrUnavailable)
	})
}

// The names of renewals rise, also within a millisecond, and above what another
// process has renewed with.
func TestRenewalsAreInOrder(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		newest := ""
		var seen []string
		s.renew = func(_ context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
			seen = append(seen, a.Op)
			if a.Op <= newest {
				return backend.RenewReply{Outcome: backend.Overtaken, Op: newest}, nil
			}
			newest = a.Op
			return backend.RenewReply{Lease: lease.Lease{Status: lease.Active}, Remaining: time.Minute}, nil
		}
		for range 1000 {
			_, err := m.Renew(t.Context(), held, 0)
			require.NoError(t, err)
		}
		require.Len(t, seen, 1000, "none was overtaken")
		require.Len(t, newest, 28)
		require.Equal(t, fmt.Sprintf("%012x", time.Now().UnixMilli()), newest[:12])

		newest = fmt.Sprintf("%012x%016x", time.Now().Add(time.Hour).UnixMilli(), 7)
		_, err := m.Renew(t.Context(), held, 0)
		require.NoError(t, err)
		require.Len(t, seen, 1002)
	})
}

// Who is in the way is asked for first and last; in between a heartbeat only
// keeps the place, and what was told before is what an error tells.
func TestBlockersFirstAndLast(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			if a.Blockers {
				return queued(0), nil
			}
			return backend.AcquireReply{Outcome: backend.Queued}, nil
		}
		r := request()
		r.Timeout = 20 * time.Second
		_, err := m.Acquire(t.Context(), r)
		require.ErrorIs(t, err, lease.ErrTimeout)
		var conflict *lease.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Len(t, conflict.Blockers, 1)
		asks, _ := s.state()
		require.Greater(t, len(asks), 5)
		for i, a := range asks {
			require.Equal(t, i == 0 || i == len(asks)-1, a.Blockers, "ask %d of %d", i, len(asks))
		}

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r.Timeout = 0
		_, err = m.Acquire(ctx, r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorAs(t, err, &conflict)
		require.Len(t, conflict.Blockers, 1, "as of the first ask")
	})
}

// The last ask may be granted.
func TestLastAskIsGranted(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.acquire = func(_ context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
			if a.Blockers && a.Again {
				return grant(a), nil
			}
			return queued(0), nil
		}
		r := request()
		r.Timeout = 20 * time.Second
		_, err := m.Acquire(t.Context(), r)
		require.NoError(t, err)
	})
}

// A place in line lasts no longer than the lease would, a second at least, and
// its heartbeats are a jittered third of that apart.
func TestPlaceIsAsShortAsTheTTL(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		time.Hour: 10 * time.Second, 3 * time.Second: 3 * time.Second, lease.MinTTL: time.Second,
	} {
		manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
			s.acquire = answers(queueing)
			r := request()
			r.TTL, r.Timeout = ttl, time.Minute
			begin := time.Now()
			_, err := m.Acquire(t.Context(), r)
			require.ErrorIs(t, err, lease.ErrTimeout)
			asks, _ := s.state()
			for _, a := range asks {
				require.Equal(t, want, a.PlaceTTL)
			}
			each := time.Since(begin) / time.Duration(len(asks)-1)
			require.InDelta(t, want.Seconds()/3, each.Seconds(), want.Seconds()/20)
		})
	}
}

func TestParents(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		r := request()
		r.Parent = held
		s.acquire = func(context.Context, backend.AcquireArgs) (backend.AcquireReply, error) {
			return backend.AcquireReply{Outcome: backend.BadParent, Problem: "too deep"}, nil
		}
		_, err := m.TryAcquire(t.Context(), r)
		require.EqualError(t, err, "lease: invalid parent: too deep")
		s.acquire = func(context.Context, backend.AcquireArgs) (backend.AcquireReply, error) {
			return backend.AcquireReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrExpired}}, nil
		}
		_, err = m.TryAcquire(t.Context(), r)
		var lost *lease.LostError
		require.ErrorAs(t, err, &lost)
		require.Equal(t, held, lost.Ref)
		before, _ := s.state()
		for _, bad := range []lease.Ref{{ID: "p"}, {ID: "p", Holder: "h"}, {Holder: "h", Token: 1}} {
			r.Parent = bad
			_, err = m.TryAcquire(t.Context(), r)
			require.ErrorIs(t, err, lease.ErrInvalid)
		}
		r.Parent, r.Replace = held, held
		_, err = m.TryAcquire(t.Context(), r)
		require.ErrorIs(t, err, lease.ErrInvalid)
		after, _ := s.state()
		require.Len(t, after, len(before))
	})
}
