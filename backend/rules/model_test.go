package rules_test

import (
	"slices"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// The model is DESIGN sections 4 and 5 to the letter, without any index: every
// lease and waiter is looked at, and "waits for" is computed as a fixed point.

type modelEntry struct {
	lease.Request
	place   int64 // key*1e6 + arrival
	waiting bool
	end     time.Time // of the lease, or when the place lapses

	// Of a waiter: whether the one who asked is gone, and else when it asks
	// again if nobody wakes it, and whether it could be granted before that.
	dead bool
	due  time.Time
	late bool
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

// blockers returns what is in the way of r: rules (a) and (b).
func (m *model) blockers(r *modelEntry) (leases, waiters []*modelEntry) {
	for _, e := range m.leases() {
		if e != r && blockedByLease(r, e) {
			leases = append(leases, e)
		}
	}
	var excepted map[*modelEntry]bool
	for _, u := range m.waiters() {
		if behind(r, u) {
			if excepted == nil {
				excepted = m.waitsFor(r)
			}
			if !excepted[u] {
				waiters = append(waiters, u)
			}
		}
	}
	return leases, waiters
}

func (m *model) grantable(r *modelEntry) bool {
	leases, waiters := m.blockers(r)
	return len(leases)+len(waiters) == 0
}

// canReplace reports whether what r would replace, if anything, is active.
func (m *model) canReplace(r *modelEntry) bool {
	return r.Replace.ID == "" || slices.ContainsFunc(m.leases(), func(e *modelEntry) bool { return e.ID == r.Replace.ID })
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

// isCycle reports whether each of these holders waits for a lease of the next
// one, and the last one for the first, which is r's.
func (m *model) isCycle(r *modelEntry, holders []string) bool {
	if len(holders) == 0 || holders[0] != r.Holder {
		return false
	}
	for i, h := range holders {
		next := holders[(i+1)%len(holders)]
		waits := func(u *modelEntry) bool {
			return u.Holder == h && !u.Distinct && (i > 0 || u == r) &&
				slices.ContainsFunc(m.leases(), func(e *modelEntry) bool { return e.Holder == next && blockedByLease(u, e) })
		}
		if !slices.ContainsFunc(m.waiters(), waits) {
			return false
		}
	}
	return true
}

func (m *model) remove(id lease.ID) {
	m.entries = slices.DeleteFunc(m.entries, func(e *modelEntry) bool { return e.ID == id })
}
