package view

import (
	"slices"
	"sort"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// index finds the claims that reach a path, or lie below it, without looking at
// all of them.
type index struct {
	held    lookup // claims of active leases
	waiting lookup // claims of waiters; owner is the place in the queue
}

// lookup is claims by path.
type lookup struct {
	exact map[string][]owned
	order []string // the paths, each before those below it
}

// owned is a claim, and whose: an index into the snapshot's list.
type owned struct {
	owner int
	claim lease.Claim
}

func newIndex(s *snapshot) *index {
	return &index{held: newLookup(s.active), waiting: newLookup(s.pending)}
}

func newLookup(leases []*lease.Lease) lookup {
	l := lookup{exact: make(map[string][]owned, len(leases))}
	for i, owner := range leases {
		for _, c := range owner.Claims {
			l.exact[c.Path] = append(l.exact[c.Path], owned{owner: i, claim: c})
		}
	}
	for p := range l.exact {
		l.order = append(l.order, p)
	}
	slices.SortFunc(l.order, comparePaths)
	return l
}

// comparePaths orders paths so that what is below a path follows it at once.
func comparePaths(a, b string) int {
	if a == lease.Root || b == lease.Root {
		switch a {
		case b:
			return 0
		case lease.Root:
			return -1
		}
		return 1
	}
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		if a[i] == '/' {
			return -1
		}
		if b[i] == '/' {
			return 1
		}
		return int(a[i]) - int(b[i])
	}
	return len(a) - len(b)
}

// below reports whether path lies strictly below dir.
func below(path, dir string) bool {
	if dir == lease.Root {
		return path != lease.Root
	}
	return len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir
}

// clashes calls f for each claim that excludes c and whose owner comes before
// one, the latest of a path first, until f returns false. It gives up, and
// returns false, when *budget comparisons are spent.
func (l lookup) clashes(c lease.Claim, before int, budget *int, f func(owned) bool) bool {
	more := true
	at := func(path string) bool {
		all := l.exact[path]
		first := sort.Search(len(all), func(i int) bool { return all[i].owner >= before })
		for i := first - 1; i >= 0 && more; i-- {
			*budget--
			more = *budget > 0 && (!clash(c, all[i].claim) || f(all[i]))
		}
		return more
	}
	for up := c.Path; at(up) && up != lease.Root; {
		slash := strings.LastIndexByte(up, '/')
		if slash < 0 {
			up = lease.Root
		} else {
			up = up[:slash]
		}
	}
	if c.Scope == lease.Tree && more {
		first, found := slices.BinarySearchFunc(l.order, c.Path, comparePaths)
		if found {
			first++
		}
		for _, p := range l.order[first:] {
			if !below(p, c.Path) || !at(p) {
				break
			}
		}
	}
	return *budget > 0
}
