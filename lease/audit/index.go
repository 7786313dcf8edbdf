package audit

import (
	"cmp"
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// index finds what conflicts with a claim without looking at everything: each
// claim is listed at its own path, and below each of the paths above it.
type index struct {
	at    map[string]map[*life]bool
	below map[string]map[*life]bool
}

func newIndex() *index {
	return &index{at: map[string]map[*life]bool{}, below: map[string]map[*life]bool{}}
}

func (x *index) add(l *life) {
	x.each(l, func(m map[string]map[*life]bool, path string) {
		if m[path] == nil {
			m[path] = map[*life]bool{}
		}
		m[path][l] = true
	})
}

func (x *index) remove(l *life) {
	x.each(l, func(m map[string]map[*life]bool, path string) {
		delete(m[path], l)
		if len(m[path]) == 0 {
			delete(m, path)
		}
	})
}

func (x *index) each(l *life, f func(m map[string]map[*life]bool, path string)) {
	for _, c := range l.claims {
		f(x.at, c.Path)
		for dir, ok := lease.Parent(c.Path); ok; dir, ok = lease.Parent(dir) {
			f(x.below, dir)
		}
	}
}

// conflicting returns what conflicts with the claims, whoever holds it, oldest
// first.
func (x *index) conflicting(claims []lease.Claim) []*life {
	found := map[*life]bool{}
	collect := func(among map[*life]bool, c lease.Claim) {
		for l := range among {
			if !found[l] && conflicts(l.claims, c) {
				found[l] = true
			}
		}
	}
	for _, c := range claims {
		collect(x.at[c.Path], c)
		for dir, ok := lease.Parent(c.Path); ok; dir, ok = lease.Parent(dir) {
			collect(x.at[dir], c)
		}
		if c.Scope == lease.Tree {
			collect(x.below[c.Path], c)
		}
	}
	sorted := make([]*life, 0, len(found))
	for l := range found {
		sorted = append(sorted, l)
	}
	slices.SortFunc(sorted, func(a, b *life) int { return cmp.Compare(a.since, b.since) })
	return sorted
}

func conflicts(claims []lease.Claim, with lease.Claim) bool {
	return slices.ContainsFunc(claims, func(c lease.Claim) bool { return lease.Conflict(c, with) })
}
