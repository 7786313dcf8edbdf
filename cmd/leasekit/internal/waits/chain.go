package waits

import (
	"time"

	"github.com/leasekit/leasekit/lease"
)

// A chain is bounded: it could otherwise show one lease once for each way to it.
const (
	maxNodes = 300
	maxNext  = 16 // of one node
)

// Node is one step of a chain: a waiter with who is in its way, or a lease with
// what its holder waits for.
type Node struct {
	Lease lease.Lease   `json:"lease"`
	For   time.Duration `json:"-"`               // how long it has waited, or been held
	Asked lease.Claim   `json:"asked,omitzero"`  // what the node above asked for here
	Held  lease.Claim   `json:"held,omitzero"`   // and what it clashed with
	Again bool          `json:"again,omitempty"` // shown above already: a cycle, or a second way
	Next  []*Node       `json:"next,omitempty"`
	More  int           `json:"more,omitempty"` // so many more are in its way, and are not shown
}

// Why returns the chain of a waiter: who is in its way, what those wait for, and
// so on, up to those who only hold.
func (s Snapshot) Why(w lease.Lease) *Node {
	c := chain{snapshot: s, seen: make(map[lease.ID]bool)}
	return c.node(w, Blocker{})
}

type chain struct {
	snapshot Snapshot
	seen     map[lease.ID]bool
}

func (c chain) node(l lease.Lease, as Blocker) *Node {
	n := &Node{Lease: l, For: c.snapshot.Age(l), Asked: as.Asked, Held: as.Held}
	if c.seen[l.ID] || len(c.seen) >= maxNodes {
		n.Again = true
		return n
	}
	c.seen[l.ID] = true
	if l.Status == lease.Pending {
		blockers := c.snapshot.InTheWay(Of(l))
		n.More = max(0, len(blockers)-maxNext)
		for _, b := range blockers[:len(blockers)-n.More] {
			n.Next = append(n.Next, c.node(b.Lease, b))
		}
		return n
	}
	for _, w := range c.snapshot.Waiting {
		if w.Holder == l.Holder {
			n.Next = append(n.Next, c.node(w, Blocker{}))
		}
	}
	return n
}

// Age is how long a waiter has waited, or a lease been held, by the store's
// clock.
func (s Snapshot) Age(l lease.Lease) time.Duration {
	since := l.CreatedAt
	if l.Status == lease.Active {
		since = l.GrantedAt
	}
	return max(0, s.Now.Sub(since))
}

// Longest returns the waiter of the chain that has waited longest, and false if
// nobody in it waits.
func (n *Node) Longest() (lease.Lease, bool) {
	var longest lease.Lease
	if n.Lease.Status == lease.Pending {
		longest = n.Lease
	}
	for _, next := range n.Next {
		if l, ok := next.Longest(); ok && (longest.ID == "" || l.CreatedAt.Before(longest.CreatedAt)) {
			longest = l
		}
	}
	return longest, longest.ID != ""
}
