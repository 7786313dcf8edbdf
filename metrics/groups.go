package metrics

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/leasekit/leasekit/lease"
)

// otherGroup is the group of all that come after Options.MaxGroups.
const otherGroup = "other"

// group is what is counted of the requests and leases of one value of the label
// "group", or of all if there is no such label.
type group struct {
	acquires counters
	acquire  histograms
	wait     histograms
	hold     histograms
}

// groups are all of them. One that is there is found without a lock.
type groups struct {
	name  func(path string) string // nil: there is one, without a name
	most  int
	make  func(names ...string) *group
	all   atomic.Pointer[map[string]*group]
	mu    sync.Mutex // while one is added
	alone *group
}

func newGroups(o Options, i *instruments) *groups {
	g := &groups{name: o.Group, most: o.MaxGroups}
	g.make = func(names ...string) *group {
		return &group{
			acquires: newCounters(i.acquires, acquireWords, names...),
			acquire:  histograms{vec: i.acquire, left: names},
			wait:     histograms{vec: i.wait, left: names},
			hold:     histograms{vec: i.hold, left: names},
		}
	}
	g.all.Store(&map[string]*group{})
	if g.name == nil {
		g.alone = g.make()
	}
	return g
}

// of returns the group of what has these claims.
func (g *groups) of(claims []lease.Claim) *group {
	if g.alone != nil {
		return g.alone
	}
	name := otherGroup
	if len(claims) > 0 {
		name = g.name(claims[0].Path)
	}
	if found := (*g.all.Load())[name]; found != nil {
		return found
	}
	return g.add(name)
}

// add makes a group with this name if there may be one more.
func (g *groups) add(name string) *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := *g.all.Load()
	name = strings.ToValidUTF8(name, "?") // a label's value must be
	if len(before) >= g.most {
		name = otherGroup
	}
	if found := before[name]; found != nil {
		return found
	}
	after := make(map[string]*group, len(before)+1)
	for n, known := range before {
		after[n] = known
	}
	after[name] = g.make(name)
	g.all.Store(&after)
	return after[name]
}
