package rules_test

import (
	"slices"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// The model is the rules to the letter, without any index: every lease and waiter
// is looked at, and "waits for" is computed as a fixed point.

type modelEntry struct {
	lease.Request
	chain   []lease.ID
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

func (m *model) leases() []*modelEntry { return m.pick(false) }

// places returns the waiters, those included who do not know yet that their
// parent has ended.
func (m *model) places() []*modelEntry { return m.pick(true) }

func (m *model) waiters() []*modelEntry {
	return slices.DeleteFunc(m.places(), func(u *modelEntry) bool { return !m.hasParent(u) })
}

// active returns the active lease with this ID, nil if there is none.
func (m *model) active(id lease.ID) *modelEntry {
	for _, e := range m.leases() {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// hasParent reports whether the parent of e is active, if it has one.
func (m *model) hasParent(e *modelEntry) bool {
	return e.Parent.ID == "" || m.active(e.Parent.ID) != nil
}

// inside reports whether e may lie under its parent, which is active.
func (m *model) inside(e *modelEntry) bool {
	parent := m.active(e.Parent.ID)
	return len(e.chain) <= lease.MaxChain && !slices.Contains(e.chain, e.Replace.ID) &&
		!slices.ContainsFunc(e.Claims, func(c lease.Claim) bool {
			return !slices.ContainsFunc(parent.Claims, func(p lease.Claim) bool {
				return lease.Covers(p, c.Path) && (c.Scope == lease.Exact || p.Scope == lease.Tree) &&
					(p.Mode == lease.Exclusive || c.Mode == lease.Shared)
			})
		})
}

// until returns when a lease of e that is granted or renewed now ends.
func (m *model) until(e *modelEntry, ttl time.Duration) time.Time {
	end := time.Now().Add(ttl)
	if parent := m.active(e.Parent.ID); parent != nil && parent.end.Before(end) {
		return parent.end
	}
	return end
}

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

// blockedByLease reports whether the lease e is in the way of r.
func blockedByLease(r, e *modelEntry) bool {
	return e.ID != r.Replace.ID && !slices.Contains(r.chain, e.ID) && (e.Holder != r.Holder || r.Distinct) &&
		clash(r.Claims, e.Claims)
}

func behind(r, u *modelEntry) bool {
	return u != r && u.place < r.place && (u.Holder != r.Holder || r.Distinct) && clash(r.Claims, u.Claims)
}

// waitsFor computes the set of waiters that wait for r's holder.
func (m *model) waitsFor(r *modelEntry) map[*modelEntry]bool {
	set := map[*modelEntry]bool{}
	target := func(e *modelEntry) bool {
		return e.ID == r.Replace.ID || slices.Contains(r.chain, e.ID) ||
			e.Holder == r.Holder && !r.Distinct && m.hasParent(e) ||
			slices.ContainsFunc(m.leases(), func(l *modelEntry) bool {
				return l.Holder == r.Holder && m.hasParent(l) && slices.Contains(l.chain, e.ID)
			})
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

// blockers returns what is in the way of r.
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

// hasNamed reports whether what r would replace, and its parent, are active, if
// it names them.
func (m *model) hasNamed(r *modelEntry) bool {
	return (r.Replace.ID == "" || m.active(r.Replace.ID) != nil) && m.hasParent(r)
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
