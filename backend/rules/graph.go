package rules

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// maxWalked bounds how many waiters a step looks at to find whom to wake, or
// whether a request that asks again may pass another.
const maxWalked = 64

// walk follows who waits for whom (see bypass), depth first, until it meets a
// waiter that is the goal. What led nowhere is not followed again; so each waiter
// is looked at once, however many start from it.
type walk struct {
	step  *Step
	asker *Record // counts as a waiter, in the store or not yet, so that asking again does not change the answer; may be nil
	goal  func(waiter *Record) (bool, error)
	left  int // how many more waiters it may look at

	holders []string      // visited, in order
	seen    map[node]bool // visited; true: it leads to the goal
	trail   []node        // visited since the last start
	behind  map[lease.Claim]*swept
}

// node is a waiter, or a holder, in the graph.
type node struct {
	waiter lease.ID
	holder string
}

// swept says of which waiters that conflict with a claim the holders have been
// visited: those before a place, but for some.
type swept struct {
	before *Place
	but    []*Record // the first of each holder that was left out
}

func (s *Step) newWalk(asker *Record, left int, goal func(*Record) (bool, error)) *walk {
	return &walk{
		step: s, asker: asker, goal: goal, left: left, seen: map[node]bool{}, behind: map[lease.Claim]*swept{},
	}
}

// reachable returns the holders that h waits for, through however many others,
// h included: as many as it finds with a bounded look.
func (s *Step) reachable(h string) ([]string, error) {
	w := s.newWalk(nil, maxWalked, func(*Record) (bool, error) { return false, nil })
	_, err := w.holder(h)
	return w.holders, err
}

// full reports whether it has looked at as much as it may.
func (w *walk) full() bool { return w.left <= 0 || w.step.tx.spent() }

// meets reports whether u is, or waits for, a waiter that is the goal.
func (w *walk) meets(u *Record) (bool, error) {
	w.trail = w.trail[:0]
	met, err := w.from(u)
	if met {
		// What was left in the midst of is not known to lead nowhere.
		for _, p := range w.trail {
			if !w.seen[p] {
				delete(w.seen, p)
			}
		}
		clear(w.behind)
	}
	return met, err
}

// visit returns what is known of p, and marks it.
func (w *walk) visit(p node) (met, visited bool) {
	if met, visited = w.seen[p]; !visited {
		w.seen[p] = false
		w.trail = append(w.trail, p)
	}
	return met, visited
}

// from follows one waiter, and reports whether it met the goal.
func (w *walk) from(u *Record) (bool, error) {
	p := node{waiter: u.ID}
	if met, visited := w.visit(p); visited || w.full() {
		return met, nil
	}
	w.left--
	met, err := w.follow(u)
	if met {
		w.seen[p] = true
	}
	return met, err
}

func (w *walk) follow(u *Record) (bool, error) {
	if met, err := w.goal(u); met || err != nil {
		return met, err
	}
	leases, err := w.step.blockingLeases(u, lease.MaxContention)
	if err != nil {
		return false, err
	}
	for _, e := range leases {
		if met, err := w.holder(e.Holder); met || err != nil {
			return met, err
		}
	}
	for _, c := range u.Claims {
		if met, err := w.ahead(u, c); met || err != nil {
			return met, err
		}
	}
	if w.asker == nil || !stands(u, w.asker) {
		return false, nil
	}
	return w.holder(w.asker.Holder)
}

// ahead follows the holders of the waiters before u that conflict with its
// claim c.
func (w *walk) ahead(u *Record, c lease.Claim) (bool, error) {
	s := w.behind[c]
	if s == nil {
		s = &swept{}
		w.behind[c] = s
	}
	own := u.Place()
	var next []string
	for _, v := range s.but {
		if v.Holder != u.Holder && v.Place().Before(own) {
			next = append(next, v.Holder)
		}
	}
	if s.before == nil || s.before.Before(own) {
		vs, err := w.step.between(c, s.before, own)
		if err != nil {
			return false, err
		}
		s.before = &own
		for _, v := range vs {
			if v.Holder != u.Holder {
				next = append(next, v.Holder)
			} else if !slices.ContainsFunc(s.but, func(x *Record) bool { return x.Holder == v.Holder }) {
				s.but = append(s.but, v)
			}
		}
	}
	for _, h := range next {
		if met, err := w.holder(h); met || err != nil {
			return met, err
		}
	}
	return false, nil
}

// between returns the waiters that conflict with a claim from a place on (nil:
// from the first) and before another.
func (s *Step) between(c lease.Claim, from *Place, before Place) ([]*Record, error) {
	o := Overlap{Claims: []lease.Claim{c}, Before: &before, Limit: page}
	if from != nil {
		o.After = &Place{Key: from.Key, Arrival: from.Arrival - 1} // arrivals are unique
	}
	var found []*Record
	for {
		us, err := s.tx.Waiters(o)
		if err != nil {
			return nil, err
		}
		more := len(us) == o.Limit
		if more {
			last := us[len(us)-1].Place()
			o.After = &last
		}
		if us, err = s.dropExpired(us); err != nil {
			return nil, err
		}
		found = append(found, us...)
		if !more || s.full() || s.tx.spent() {
			return found, nil
		}
	}
}

// stands reports whether u stands behind r in the queue.
func stands(u, r *Record) bool {
	_, _, conflict := u.conflicts(r)
	return conflict && r.Place().Before(u.Place()) && r.Holder != u.Holder
}

// holder follows all waiters of a holder.
func (w *walk) holder(h string) (bool, error) {
	p := node{holder: h}
	if met, visited := w.visit(p); visited || w.full() {
		return met, nil
	}
	w.holders = append(w.holders, h)
	us, err := w.step.liveWaitersOf(h, w.left)
	if err != nil {
		return false, err
	}
	if w.asker != nil && w.asker.Holder == h && !has(us, w.asker) {
		us = append(us, w.asker)
	}
	for _, u := range slices.Backward(us) { // what is ahead of the last is ahead of most
		if met, err := w.from(u); met || err != nil {
			if met {
				w.seen[p] = true
			}
			return met, err
		}
	}
	return false, nil
}

// liveWaitersOf returns a holder's waiters, at most limit.
func (s *Step) liveWaitersOf(holder string, limit int) ([]*Record, error) {
	for {
		us, err := s.tx.WaitersOf(holder, limit)
		if err != nil {
			return nil, err
		}
		more := len(us) == limit
		if us, err = s.dropExpired(us); err != nil || len(us) > 0 || !more || s.full() {
			return us, err
		}
		// With their ends recorded, the same question finds others.
	}
}
