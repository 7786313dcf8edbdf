// Package claimkeys tells a store that keeps claims under keys of (path, kind)
// which keys to look at for what conflicts with a claim: its own path, the trees
// at each path above, and, if it is a tree, everything below.
package claimkeys

import (
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// Kind is a claim's mode and scope as one number: exclusive ones are even,
// trees are 2 and 3.
func Kind(c lease.Claim) int { return 2*int(c.Scope) + int(c.Mode) }

// At returns the kinds that conflict with c at its own path and below. With
// shared, of the shared ones only; of those none conflicts with a shared c.
func At(c lease.Claim, shared bool) []int {
	switch {
	case c.Mode == lease.Shared:
		return []int{0, 2}
	case shared:
		return []int{1, 3}
	}
	return []int{0, 1, 2, 3}
}

// Over returns the kinds that conflict with c above its path, likewise.
func Over(c lease.Claim, shared bool) []int {
	switch {
	case c.Mode == lease.Shared:
		return []int{2}
	case shared:
		return []int{3}
	}
	return []int{2, 3}
}

// Above returns the paths above a path, nearest first.
func Above(path string) []string {
	paths := make([]string, 0, strings.Count(path, "/")+1)
	for up, ok := lease.Parent(path); ok; up, ok = lease.Parent(up) {
		paths = append(paths, up)
	}
	return paths
}
