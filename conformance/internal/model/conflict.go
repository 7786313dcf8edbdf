package model

import (
	"slices"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// parts returns the path's names; the root has none.
func parts(path string) []string {
	if path == "/" {
		return nil
	}
	return strings.Split(path, "/")
}

// covers reports whether a claim reaches a path.
func covers(c lease.Claim, path string) bool {
	mine, other := parts(c.Path), parts(path)
	if c.Scope == lease.Tree {
		return len(mine) <= len(other) && slices.Equal(mine, other[:len(mine)])
	}
	return slices.Equal(mine, other)
}

// clash reports whether two sets of claims exclude each other.
func clash(a, b []lease.Claim) bool {
	for _, x := range a {
		for _, y := range b {
			if (x.Mode == lease.Exclusive || y.Mode == lease.Exclusive) && (covers(x, y.Path) || covers(y, x.Path)) {
				return true
			}
		}
	}
	return false
}

// within reports whether a sub-lease of a lease with claim p may have claim c.
func within(c, p lease.Claim) bool {
	return covers(p, c.Path) && (c.Scope == lease.Exact || p.Scope == lease.Tree) &&
		(p.Mode == lease.Exclusive || c.Mode == lease.Shared)
}

// own reports whether the lease e does not count against r: it is given up, r
// lies under it, or it is of the same holder.
func own(r, e *entry) bool {
	return e.ID == r.Replace.ID || slices.Contains(r.chain, e.ID) || e.Holder == r.Holder && !r.Distinct
}

// blocks reports whether the lease e is in the way of r.
func blocks(e, r *entry) bool { return e.ID != r.ID && !own(r, e) && clash(r.Claims, e.Claims) }

// ahead reports whether the waiter u is before r in line and conflicts with it.
func ahead(u, r *entry) bool {
	return u.ID != r.ID && (u.key < r.key || u.key == r.key && u.arrival < r.arrival) &&
		(u.Holder != r.Holder || r.Distinct) && clash(r.Claims, u.Claims)
}

// hasParent reports whether e's parent is active, if it has one.
func (m *Model) hasParent(e *entry) bool { return e.Parent.ID == "" || m.active(e.Parent.ID) != nil }

func (m *Model) active(id lease.ID) *entry {
	for _, e := range m.leases() {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// waitsFor returns those who wait for r's holder: a lease that counts as that
// holder's is in their way, or the lease, or the earlier conflicting waiter, of a
// holder who has a waiter that waits for it.
func (m *Model) waitsFor(r *entry) map[lease.ID]bool {
	leases, waiters := m.leases(), m.waiters()
	if !slices.Contains(waiters, r) { // it arrives, or only tries: it counts as one who waits
		waiters = append(waiters, r)
	}
	counts := func(e *entry) bool {
		if e.ID == r.Replace.ID || slices.Contains(r.chain, e.ID) || e.Holder == r.Holder && !r.Distinct && m.hasParent(e) {
			return true
		}
		return slices.ContainsFunc(leases, func(l *entry) bool {
			return l.Holder == r.Holder && m.hasParent(l) && slices.Contains(l.chain, e.ID)
		})
	}
	set, holders := map[lease.ID]bool{}, map[string]bool{}
	for changed := true; changed; {
		changed = false
		for _, u := range waiters {
			if set[u.ID] {
				continue
			}
			waits := slices.ContainsFunc(leases, func(e *entry) bool { return blocks(e, u) && (counts(e) || holders[e.Holder]) }) ||
				slices.ContainsFunc(waiters, func(v *entry) bool { return ahead(v, u) && v.Holder != u.Holder && holders[v.Holder] })
			if waits {
				set[u.ID], holders[u.Holder], changed = true, true, true
			}
		}
	}
	return set
}

// blockers returns what keeps r from being granted: leases by arrival, then the
// earlier waiters that it may not pass, in the order of the queue.
func (m *Model) blockers(r *entry) (leases, waiters []*entry) {
	for _, e := range m.leases() {
		if blocks(e, r) {
			leases = append(leases, e)
		}
	}
	var passed map[lease.ID]bool
	for _, u := range m.waiters() {
		if !ahead(u, r) {
			continue
		}
		if passed == nil {
			passed = m.waitsFor(r)
		}
		if !passed[u.ID] {
			waiters = append(waiters, u)
		}
	}
	return leases, waiters
}

// deadlocked reports whether r waits for itself: it follows leases only, and
// keeps who waits for whom for IsCycle. Distinct requests take no part.
func (m *Model) deadlocked(r *entry) bool {
	m.edges = map[[2]string]bool{}
	for _, u := range m.waiters() {
		if u.Distinct || u.Holder == r.Holder && u.ID != r.ID {
			continue
		}
		for _, e := range m.leases() {
			if blocks(e, u) {
				m.edges[[2]string{u.Holder, e.Holder}] = true
			}
		}
	}
	if r.Distinct {
		return false
	}
	reached, next := map[string]bool{}, []string{r.Holder}
	for len(next) > 0 {
		from := next[0]
		next = next[1:]
		for edge := range m.edges {
			if edge[0] == from && !reached[edge[1]] {
				reached[edge[1]] = true
				next = append(next, edge[1])
			}
		}
	}
	return reached[r.Holder]
}

// IsCycle reports whether each of the holders waited for a lease of the next
// one, and the last one for the first, when the last deadlock was found.
func (m *Model) IsCycle(holders []string) bool {
	for i, h := range holders {
		if !m.edges[[2]string{h, holders[(i+1)%len(holders)]}] {
			return false
		}
	}
	return len(holders) > 0
}
