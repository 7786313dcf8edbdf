package rules_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// script runs random operations on a store and on the model.
type script struct {
	t         *testing.T
	random    *rand.Rand
	store     *memory.Store
	model     model
	arrival   int64
	hints     map[lease.ID]<-chan struct{}
	refs      map[lease.ID]lease.Ref
	log       []string
	began     time.Time
	place     time.Duration // how long a place is kept; those who wait ask again every third of it
	subleases bool          // some requests have a parent
	deaths    bool          // some who wait are not heard of any more
}

func (s *script) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprint(time.Since(s.began), " ")+fmt.Sprintf(format, args...))
}

func (s *script) args(r lease.Request, again bool, place time.Duration) backend.AcquireArgs {
	return backend.AcquireArgs{
		Request: r, Attempt: string(r.ID), Again: again, PlaceTTL: place,
		HeadStart: time.Duration(r.Priority) * 30 * time.Second, Deadlock: place > 0, Blockers: true, ConfigVersion: 1,
	}
}

func (s *script) acquire(a backend.AcquireArgs) backend.AcquireReply {
	reply, err := s.store.Acquire(s.t.Context(), a)
	require.NoError(s.t, err)
	return reply
}

// ask asks for e, with a place in line or as a try without one, and requires
// the model's decision.
func (s *script) ask(e *modelEntry, again bool, place time.Duration) {
	asked := e.Request
	if old := s.model.active(e.Replace.ID); !again && e.Parent.ID == "" && old != nil && old.Parent.ID != "" {
		e.Parent, e.chain = old.Parent, old.chain // taken over
	}
	if !s.model.hasNamed(e) || e.Parent.ID != "" && !s.model.inside(e) {
		want := backend.BadParent
		if !s.model.hasNamed(e) {
			want = backend.Gone
		}
		reply := s.acquire(s.args(asked, again, place))
		s.note("ask %v by %s (again %v, under %s): %v %q", e.Claims, e.Holder, again, e.Parent.Holder, reply.Outcome, reply.Problem)
		require.Equal(s.t, want, reply.Outcome, "%q", s.log)
		s.model.remove(e.ID)
		return
	}
	known := e.waiting
	s.model.remove(e.ID)
	e.waiting = true
	if place > 0 {
		e.end = time.Now().Add(place)
	} else if !known {
		e.end = time.Now().Add(time.Hour) // a try counts as a waiter while it is judged
	}
	s.model.entries = append(s.model.entries, e)
	leases, waiters := s.model.blockers(e)
	want := backend.Queued
	switch {
	case len(leases)+len(waiters) == 0:
		want = backend.Done
	case place > 0 && s.model.deadlocked(e):
		want = backend.Deadlocked
	case place == 0 && !known:
		want = backend.Refused
	}
	a := s.args(asked, again, place)
	a.Blockers = !again || s.random.IntN(2) == 0
	reply := s.acquire(a)
	s.note("ask %v by %s (again %v, place %v, distinct %v, replaces %q, under %s): %v", e.Claims, e.Holder, again, place, e.Distinct, e.Replace.Holder, e.Parent.Holder, reply.Outcome)
	require.Equal(s.t, want, reply.Outcome, "%q", s.log)
	if want == backend.Done {
		e.waiting, e.end = false, reply.Lease.ExpiresAt
		require.Equal(s.t, s.model.until(e, e.TTL).UnixMilli(), e.end.UnixMilli(), "%q", s.log)
		s.refs[e.ID] = reply.Lease.Ref()
		if e.Replace.ID != "" {
			s.model.remove(e.Replace.ID)
		}
		return
	}
	var latest time.Time
	for _, b := range append(leases, waiters...) {
		if b.end.After(latest) {
			latest = b.end
		}
	}
	if parent := s.model.active(e.Parent.ID); parent != nil && parent.end.Before(latest) {
		latest = parent.end
	}
	if a.Blockers {
		require.Equal(s.t, len(leases)+len(waiters), reply.Count, "%q", s.log)
		require.Len(s.t, reply.Blockers, reply.Count)
		require.Equal(s.t, time.Until(latest), reply.RetryAfter, "%q", s.log)
	} else {
		require.Zero(s.t, reply.Count)
		require.LessOrEqual(s.t, reply.RetryAfter, time.Until(latest), "%q", s.log)
	}
	switch want {
	case backend.Refused:
		s.model.remove(e.ID)
	case backend.Deadlocked:
		require.True(s.t, s.model.isCycle(e, reply.Cycle), "%q is none\n%q", reply.Cycle, s.log)
		s.model.remove(e.ID)
	case backend.Queued:
		if a.Blockers {
			require.Equal(s.t, 1+len(waiters), reply.Position, "%q", s.log)
		}
		e.due, e.late = time.Now().Add(min(reply.RetryAfter, s.place/3)), false
		if s.hints[e.ID] == nil {
			s.hints[e.ID], _ = s.store.Subscribe(e.ID)
		}
	}
}

// drain lets the woken, and those whose time it is, ask again until there are
// none. Then nobody may be left who could be granted, or must fail since what it
// would replace is gone, because of what was done; who could because a time is over may have counted on a later one, and finds
// out at its heartbeat.
func (s *script) drain(done bool) {
	for again := true; again; {
		again = false
		for _, u := range s.model.places() {
			woken := !u.due.After(time.Now())
			select {
			case <-s.hints[u.ID]:
				s.note("woken %s", u.Holder)
				woken = true
			default:
			}
			if woken && !u.dead {
				s.ask(u, true, s.place)
				again = true
				break // the others may be gone
			}
		}
	}
	if s.deaths {
		return // a hint may have gone to one of them: the others find out at their heartbeat
	}
	for _, u := range s.model.places() {
		if u.late || s.model.hasNamed(u) && !s.model.grantable(u) {
			continue
		}
		u.late = true
		require.False(s.t, done, "not woken: %s %v\n%q", u.Holder, u.Claims, s.log)
	}
}

// pass lets time pass, with all that happens meanwhile.
func (s *script) pass(d time.Duration) {
	for end := time.Now().Add(d); ; {
		next := end
		for _, e := range s.model.entries {
			for _, at := range []time.Time{e.end, e.due} {
				if at.After(time.Now()) && at.Before(next) {
					next = at
				}
			}
		}
		time.Sleep(time.Until(next))
		s.drain(false)
		if next.Equal(end) {
			return
		}
	}
}

func (s *script) randomRequest() lease.Request {
	paths := []string{"a", "a/b", "a/b/c", "d"}
	var cs []lease.Claim
	for range 1 + s.random.IntN(5)/4 {
		cs = append(cs, lease.Claim{
			Path: paths[s.random.IntN(len(paths))], Mode: lease.Mode(s.random.IntN(4) / 3), Scope: lease.Scope(s.random.IntN(3) / 2),
		})
	}
	cs, _ = backend.CleanClaims(cs)
	r := lease.Request{
		ID: lease.NewID(), Holder: s.randomHolder(), Claims: cs,
		TTL: s.randomTTL(), MaxRenewals: lease.Unlimited, Distinct: s.random.IntN(12) == 0,
	}
	if s.random.IntN(4) == 0 {
		r.Priority = s.random.IntN(5) - 2
	}
	held := s.model.leases()
	if len(held) > 0 && s.subleases && s.random.IntN(2) == 0 {
		e := held[s.random.IntN(len(held))]
		r.Parent = s.refs[e.ID]
		if s.random.IntN(16) > 0 {
			r.Claims = []lease.Claim{s.within(e.Claims[s.random.IntN(len(e.Claims))])}
		}
	}
	if len(held) > 0 && s.random.IntN(4) == 0 {
		e := held[s.random.IntN(len(held))]
		if r.Replace = s.refs[e.ID]; s.random.IntN(3) > 0 {
			r.Holder = e.Holder
		}
	}
	return r
}

// within returns a claim that one within c.
func (s *script) within(c lease.Claim) lease.Claim {
	if c.Scope == lease.Tree {
		if paths := []string{"a/b", "a/b/c"}; s.random.IntN(3) > 0 {
			if path := paths[s.random.IntN(2)]; lease.Below(path, c.Path) {
				c.Path = path
			}
		}
		c.Scope = lease.Scope(s.random.IntN(2))
	}
	if s.random.IntN(4) == 0 {
		c.Mode = lease.Shared
	}
	return c
}

func (s *script) randomHolder() string { return fmt.Sprintf("h%d", s.random.IntN(4)) }

// randomTTL returns one that ends within the script, or long after it.
func (s *script) randomTTL() time.Duration {
	if s.random.IntN(3) == 0 {
		return time.Hour
	}
	return time.Duration(1+s.random.IntN(40)) * time.Second
}

// chain returns the chain of a request with this parent.
func (s *script) chain(parent lease.Ref) []lease.ID {
	if parent.ID == "" {
		return nil
	}
	return append([]lease.ID{parent.ID}, s.model.active(parent.ID).chain...)
}

func (s *script) step() {
	switch leases, waiters := s.model.leases(), s.model.waiters(); s.random.IntN(12) {
	case 0, 1, 2, 3, 4:
		r := s.randomRequest()
		s.arrival++
		e := &modelEntry{Request: r, chain: s.chain(r.Parent), place: (time.Now().UnixMilli()-int64(r.Priority)*30_000)*1e6 + s.arrival}
		e.dead = s.deaths && s.random.IntN(4) == 0
		place := s.place
		if r.Replace.ID != "" && r.Replace.Holder != r.Holder || s.random.IntN(5) == 0 {
			place = 0
		}
		s.ask(e, false, place)
	case 5, 6:
		if len(leases) > 0 {
			e := leases[s.random.IntN(len(leases))]
			reply, err := s.store.Release(s.t.Context(), backend.ReleaseArgs{Ref: s.refs[e.ID]})
			require.NoError(s.t, err)
			require.Equal(s.t, backend.Done, reply.Outcome, "%q", s.log)
			s.note("release %v by %s", e.Claims, e.Holder)
			s.model.remove(e.ID)
		}
	case 7:
		if len(waiters) > 0 {
			u := waiters[s.random.IntN(len(waiters))]
			_, err := s.store.Withdraw(s.t.Context(), backend.WithdrawArgs{ID: u.ID, Holder: u.Holder, Attempt: string(u.ID), Why: lease.EndCancelled})
			require.NoError(s.t, err)
			s.note("withdraw %v by %s", u.Claims, u.Holder)
			s.model.remove(u.ID)
		}
	case 8:
		if len(leases) > 0 {
			e, ttl := leases[s.random.IntN(len(leases))], s.randomTTL()
			reply, err := s.store.Renew(s.t.Context(), backend.RenewArgs{
				Ref: s.refs[e.ID], TTL: ttl, MaxTTL: lease.MaxTTL, Op: string(lease.NewID()), ConfigVersion: 1,
			})
			require.NoError(s.t, err)
			if !s.model.hasParent(e) {
				require.Equal(s.t, backend.Gone, reply.Outcome, "%q", s.log)
				return
			}
			require.Equal(s.t, backend.Done, reply.Outcome, "%q", s.log)
			require.Equal(s.t, s.model.until(e, ttl).UnixMilli(), reply.Lease.ExpiresAt.UnixMilli(), "%q", s.log)
			e.end = reply.Lease.ExpiresAt
			s.note("renew %v by %s until %v", e.Claims, e.Holder, e.end.Sub(s.began))
		}
	case 9:
		_, err := s.store.Sweep(s.t.Context(), 256)
		require.NoError(s.t, err)
		s.note("sweep")
	case 10, 11:
		s.pass(time.Duration(s.random.IntN(20)) * time.Second)
	}
}

// run plays one script.
func run(t *testing.T, seed uint64) {
	s := &script{
		t: t, random: rand.New(rand.NewPCG(1, seed)), store: memory.NewStore(), began: time.Now(),
		hints: map[lease.ID]<-chan struct{}{}, refs: map[lease.ID]lease.Ref{},
	}
	s.place, s.deaths = 3*time.Duration(2+s.random.IntN(20))*time.Second, s.random.IntN(2) == 0
	s.subleases = s.random.IntN(3) > 0
	s.note("seed %d", seed)
	for range 30 {
		s.step()
		s.drain(true)
	}
}

func TestStepAgainstTheModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(5000) {
			run(t, seed)
		}
	})
}

// FuzzStepAgainstTheModel checks the rule of conflict, the order of the queue,
// its exception and the search for deadlocks against the letter of the design,
// while leases expire and places lapse.
func FuzzStepAgainstTheModel(f *testing.F) {
	f.Add(uint64(25))
	f.Add(uint64(44))
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) { run(t, seed) })
	})
}
