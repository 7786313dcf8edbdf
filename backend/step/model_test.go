package step_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// The model is DESIGN sections 4 and 5 to the letter, without any index: every
// lease and waiter is looked at, and "waits for" is computed as a fixed point.

type modelEntry struct {
	lease.Request
	place   int64 // key*1e6 + arrival
	waiting bool
	end     time.Time // of the lease, or when the place lapses
}

type model struct{ entries []*modelEntry }

func (m *model) leases() []*modelEntry  { return m.pick(false) }
func (m *model) waiters() []*modelEntry { return m.pick(true) }

func (m *model) pick(waiting bool) []*modelEntry {
	var out []*modelEntry
	for _, e := range m.entries {
		if e.waiting == waiting && e.end.After(time.Now()) {
			out = append(out, e)
		}
	}
	return out
}

func clash(a, b []lease.Claim) bool {
	return slices.ContainsFunc(a, func(x lease.Claim) bool {
		return slices.ContainsFunc(b, func(y lease.Claim) bool { return lease.Conflict(x, y) })
	})
}

// blockedByLease reports whether the lease e is in the way of r: rule (a).
func blockedByLease(r, e *modelEntry) bool {
	return e.ID != r.Replace.ID && (e.Holder != r.Holder || r.Distinct) && clash(r.Claims, e.Claims)
}

func behind(r, u *modelEntry) bool {
	return u != r && u.place < r.place && (u.Holder != r.Holder || r.Distinct) && clash(r.Claims, u.Claims)
}

// waitsFor computes the set of waiters that wait for r's holder.
func (m *model) waitsFor(r *modelEntry) map[*modelEntry]bool {
	set := map[*modelEntry]bool{}
	target := func(e *modelEntry) bool {
		return e.ID == r.Replace.ID || e.Holder == r.Holder && !r.Distinct
	}
	for changed := true; changed; {
		changed = false
		for _, u := range m.waiters() {
			if set[u] {
				continue
			}
			holderWaits := func(h string) bool {
				return slices.ContainsFunc(m.waiters(), func(w *modelEntry) bool { return w.Holder == h && set[w] })
			}
			waits := false
			for _, e := range m.leases() {
				if blockedByLease(u, e) && (target(e) || holderWaits(e.Holder)) {
					waits = true
				}
			}
			for _, v := range m.waiters() {
				if behind(u, v) && v.Holder != u.Holder && holderWaits(v.Holder) {
					waits = true
				}
			}
			if waits {
				set[u], changed = true, true
			}
		}
	}
	return set
}

func (m *model) grantable(r *modelEntry) bool {
	for _, e := range m.leases() {
		if e != r && blockedByLease(r, e) {
			return false
		}
	}
	var excepted map[*modelEntry]bool
	for _, u := range m.waiters() {
		if behind(r, u) {
			if excepted == nil {
				excepted = m.waitsFor(r)
			}
			if !excepted[u] {
				return false
			}
		}
	}
	return true
}

// deadlocked follows leases only, from r back to a lease of r's holder.
func (m *model) deadlocked(r *modelEntry) bool {
	if r.Distinct {
		return false
	}
	visited := map[string]bool{r.Holder: true}
	var search func(u *modelEntry) bool
	search = func(u *modelEntry) bool {
		for _, e := range m.leases() {
			if !blockedByLease(u, e) {
				continue
			}
			if u != r && e.Holder == r.Holder {
				return true
			}
			if visited[e.Holder] {
				continue
			}
			visited[e.Holder] = true
			for _, v := range m.waiters() {
				if v.Holder == e.Holder && !v.Distinct && search(v) {
					return true
				}
			}
		}
		return false
	}
	return search(r)
}

func (m *model) remove(id lease.ID) {
	m.entries = slices.DeleteFunc(m.entries, func(e *modelEntry) bool { return e.ID == id })
}

// script runs random operations on a store and on the model.
type script struct {
	t       *testing.T
	random  *rand.Rand
	store   *memory.Store
	model   model
	arrival int64
	hints   map[lease.ID]<-chan struct{}
	refs    map[lease.ID]lease.Ref
	log     []string
	place   time.Duration
}

func (s *script) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *script) args(r lease.Request, again bool) backend.AcquireArgs {
	return backend.AcquireArgs{
		Request: r, Attempt: string(r.ID), Again: again, PlaceTTL: s.place,
		HeadStart: time.Duration(r.Priority) * 30 * time.Second, Deadlock: true, ConfigVersion: 1,
	}
}

// ask asks for e and requires the model's decision.
func (s *script) ask(e *modelEntry, again bool) {
	s.model.remove(e.ID)
	e.waiting, e.end = true, time.Now().Add(s.place)
	s.model.entries = append(s.model.entries, e) // a request counts as a waiter when it is judged
	want := backend.Queued
	if s.model.grantable(e) {
		want = backend.Done
	} else if s.model.deadlocked(e) {
		want = backend.Deadlocked
	}
	reply, err := s.store.Acquire(s.t.Context(), s.args(e.Request, again))
	require.NoError(s.t, err)
	s.note("ask %v by %s (again %v): %v", e.Claims, e.Holder, again, reply.Outcome)
	require.Equal(s.t, want, reply.Outcome, "%q", s.log)
	switch want {
	case backend.Done:
		e.waiting, e.end = false, reply.Lease.ExpiresAt
		s.refs[e.ID] = reply.Lease.Ref()
		if e.Replace.ID != "" {
			s.model.remove(e.Replace.ID)
		}
	case backend.Deadlocked:
		require.Equal(s.t, e.Holder, reply.Cycle[0])
		s.model.remove(e.ID)
	default:
		require.NotEmpty(s.t, reply.Blockers, "%q", s.log)
		if s.hints[e.ID] == nil {
			hint, _ := s.store.Wake(e.ID)
			s.hints[e.ID] = hint
		}
	}
}

// drain lets the woken ask again until nobody is woken, and then requires that
// nobody who could be granted was forgotten.
func (s *script) drain() {
	for again := true; again; {
		again = false
		for _, u := range s.model.waiters() {
			select {
			case <-s.hints[u.ID]:
				s.note("woken %s", u.Holder)
				if u.Replace.ID != "" && !slices.ContainsFunc(s.model.leases(), func(e *modelEntry) bool { return e.ID == u.Replace.ID }) {
					reply, err := s.store.Acquire(s.t.Context(), s.args(u.Request, true))
					require.NoError(s.t, err)
					require.Equal(s.t, backend.Gone, reply.Outcome, "%q", s.log)
					s.model.remove(u.ID)
				} else {
					s.ask(u, true)
				}
				again = true
			default:
			}
		}
	}
	for _, u := range s.model.waiters() {
		if u.Replace.ID == "" || slices.ContainsFunc(s.model.leases(), func(e *modelEntry) bool { return e.ID == u.Replace.ID }) {
			require.False(s.t, s.model.grantable(u), "not woken: %s %v\n%q", u.Holder, u.Claims, s.log)
		} else {
			s.t.Fatalf("not woken to fail: %s %v\n%q", u.Holder, u.Claims, s.log)
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
	cs, _ = lease.CleanClaims(cs)
	r := lease.Request{
		ID: lease.NewID(), Holder: fmt.Sprintf("h%d", s.random.IntN(4)), Claims: cs,
		TTL: 10 * time.Minute, MaxRenewals: lease.Unlimited, Distinct: s.random.IntN(12) == 0,
	}
	if s.random.IntN(4) == 0 {
		r.Priority = s.random.IntN(5) - 2
	}
	if held := s.model.leases(); len(held) > 0 && s.random.IntN(5) == 0 {
		e := held[s.random.IntN(len(held))]
		r.Replace, r.Holder, r.Distinct = s.refs[e.ID], e.Holder, false
	}
	return r
}

func (s *script) step() {
	switch leases, waiters := s.model.leases(), s.model.waiters(); s.random.IntN(8) {
	case 0, 1, 2, 3:
		r := s.randomRequest()
		s.arrival++
		key := time.Now().UnixMilli() - int64(r.Priority)*30_000
		s.ask(&modelEntry{Request: r, place: key*1e6 + s.arrival}, false)
	case 4, 5:
		if len(leases) > 0 {
			e := leases[s.random.IntN(len(leases))]
			reply, err := s.store.Release(s.t.Context(), backend.ReleaseArgs{Ref: s.refs[e.ID]})
			require.NoError(s.t, err)
			require.Equal(s.t, backend.Done, reply.Outcome)
			s.note("release %v by %s", e.Claims, e.Holder)
			s.model.remove(e.ID)
		}
	case 6:
		if len(waiters) > 0 {
			u := waiters[s.random.IntN(len(waiters))]
			_, err := s.store.Withdraw(s.t.Context(), backend.WithdrawArgs{ID: u.ID, Holder: u.Holder, Attempt: string(u.ID), Why: lease.EndCancelled})
			require.NoError(s.t, err)
			s.note("withdraw %v by %s", u.Claims, u.Holder)
			s.model.remove(u.ID)
		}
	case 7:
		time.Sleep(time.Duration(s.random.IntN(20)) * time.Second)
	}
}

// run plays one script.
func run(t *testing.T, seed uint64) {
	s := &script{
		t: t, random: rand.New(rand.NewPCG(1, seed)), store: memory.NewStore(),
		hints: map[lease.ID]<-chan struct{}{}, refs: map[lease.ID]lease.Ref{}, place: time.Hour,
	}
	s.note("seed %d", seed)
	for range 30 {
		s.step()
		s.drain()
	}
}

func TestStepAgainstTheModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(3000) {
			run(t, seed)
		}
	})
}

// FuzzStepAgainstTheModel checks the rule of conflict, the order of the queue,
// its exception and the search for deadlocks against the letter of the design.
func FuzzStepAgainstTheModel(f *testing.F) {
	f.Add(uint64(25))
	f.Add(uint64(44))
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) { run(t, seed) })
	})
}
