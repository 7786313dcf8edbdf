package memory

import (
	"maps"
	"slices"
	"strings"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// index has the leases and waiters that have not ended, also by the paths of their
// claims: so a request does not look at all others. What it finds may be too much,
// and something twice.
type index struct {
	all   map[lease.ID]*rules.Record
	at    map[string][]*rules.Record
	trees int             // how many of their claims are trees
	room  []*rules.Record // empty, for the next path
}

func newIndex() index {
	return index{all: map[lease.ID]*rules.Record{}, at: map[string][]*rules.Record{}}
}

func (x *index) add(r *rules.Record) {
	x.all[r.ID] = r
	for _, c := range r.Claims {
		at := x.at[c.Path]
		if at == nil {
			at, x.room = x.room, nil
		}
		x.at[c.Path] = append(at, r)
		x.trees += int(c.Scope)
	}
}

func (x *index) remove(r *rules.Record) {
	delete(x.all, r.ID)
	for _, c := range r.Claims {
		x.trees -= int(c.Scope)
		rest := slices.DeleteFunc(x.at[c.Path], func(o *rules.Record) bool { return o == r })
		if x.at[c.Path] = rest; len(rest) == 0 {
			delete(x.at, c.Path)
			x.room = rest
		}
	}
}

// overlapping yields all that have a claim that overlaps one of these.
func (x *index) overlapping(claims []lease.Claim, yield func(*rules.Record)) {
	if slices.ContainsFunc(claims, func(c lease.Claim) bool { return c.Scope == lease.Tree }) {
		for r := range maps.Values(x.all) {
			yield(r)
		}
		return
	}
	for _, c := range claims {
		for path := c.Path; ; path = above(path) {
			for _, r := range x.at[path] {
				yield(r)
			}
			if x.trees == 0 || path == lease.Root {
				break
			}
		}
	}
}

// above returns the path of the folder that a path is in.
func above(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return lease.Root
}
