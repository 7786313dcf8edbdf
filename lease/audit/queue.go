package audit

import (
	"slices"
	"time"
)

// key is a place in the queue: lower is served first.
type key struct {
	at      int64 // arrival in ms, minus the head start of the priority
	arrival uint64
	plain   bool // there is no head start
	known   bool // whether the head start is known: see Options.Config
}

func (r *replay) keyOf(arrival time.Time, priority int, order uint64) key {
	return key{
		at:      arrival.UnixMilli() - int64(priority)*r.boost.Milliseconds(),
		arrival: order,
		plain:   priority == 0,
		known:   true,
	}
}

// before reports whether k certainly is served before other.
func (k key) before(other key) bool {
	return k.known && other.known && (k.at < other.at || k.at == other.at && k.arrival < other.arrival)
}

// mayBeBefore reports whether k is, or could be, served before other: a change
// of the configuration that is yet to come may say that a head start was
// another one.
func (k key) mayBeBefore(other key) bool {
	return !k.plain || !other.plain || k.before(other)
}

// checkOrder requires of a request that is granted that no earlier waiter
// conflicts with it, except waiters that wait for its holder. replaced is the
// lease that it replaces, or nil.
func (r *replay) checkOrder(granted, replaced *life) {
	for _, u := range r.waiters.conflicting(granted.claims) {
		if u == granted || u.holder == granted.holder && !granted.distinct || !u.key.before(granted.key) {
			continue
		}
		if r.waitsFor(u, granted, replaced) {
			continue
		}
		v := Violation{Order, granted.since, u.since, granted.id,
			text("%s is granted %v past %s, who waits for %v since event %d", granted.holder, granted.claims, u.holder, u.claims, u.since)}
		if u.key.plain && granted.key.plain {
			r.violations = append(r.violations, v)
		} else {
			r.tentative = append(r.tentative, v)
		}
	}
}

// waitsFor reports whether the waiter waits for the holder of the request:
// because a lease of that holder is in its way, or through holders who wait,
// among whom the request itself counts. Where the history leaves a doubt (leases
// that may have expired, waiters that may have lapsed, Distinct requests) it
// follows the edge.
func (r *replay) waitsFor(waiter, granted, replaced *life) bool {
	seen := map[*life]bool{waiter: true}
	next := []*life{waiter}
	push := func(holder string) {
		for w := range r.waiting[holder] {
			if !seen[w] {
				seen[w] = true
				next = append(next, w)
			}
		}
		if holder == granted.holder && !seen[granted] {
			seen[granted] = true
			next = append(next, granted)
		}
	}
	for len(next) > 0 {
		u := next[len(next)-1]
		next = next[:len(next)-1]
		if replaced != nil && u != granted && conflict(u, replaced) {
			return true
		}
		for _, l := range r.leases.conflicting(u.claims) {
			switch {
			case slices.Contains(u.chain, l.id): // not in its way
			case u != granted && r.liesUnder(granted, l):
				return true
			case l.holder != granted.holder || granted.distinct:
				push(l.holder)
			case u != granted: // its own lease is not in its way
				return true
			}
		}
		for _, v := range r.waiters.conflicting(u.claims) {
			if v != u && v.key.mayBeBefore(u.key) {
				push(v.holder)
			}
		}
		if u != granted && conflict(u, granted) && granted.key.mayBeBefore(u.key) {
			push(granted.holder)
		}
	}
	return false
}

func conflict(a, b *life) bool {
	for _, c := range b.claims {
		if conflicts(a.claims, c) {
			return true
		}
	}
	return false
}
