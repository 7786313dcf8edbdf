package rules

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// A waiter waits for a holder if a lease of that holder blocks it, or if a
// holder whose lease blocks it, or who has an earlier waiter that conflicts
// with it, has a waiter that waits for that holder. The relation ignores the
// exception that is made of it, so it is not circular.

// walk follows who waits for whom, depth first, until it meets a lease that is
// the goal. What it has seen without meeting it need not be seen again; so each
// waiter is looked at once, however many start from it.
type walk struct {
	step  *Step
	asker *Record // counts as a waiter, in the store or not yet, so that asking again does not change the answer; may be nil
	goal  func(lease *Record) bool
	left  int // how many more waiters it may look at; below 0 any number

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

func (s *Step) newWalk(asker *Record, goal func(*Record) bool) *walk {
	return &walk{
		step: s, asker: asker, goal: goal, left: -1, seen: map[node]bool{}, behind: map[lease.Claim]*swept{},
	}
}

// maxWalked bounds how many waiters are looked at to find whom to wake.
const maxWalked = 64

// reachable returns the holders that h waits for, through however many others,
// h included: as many as it finds with a bounded look.
func (s *Step) reachable(h string) ([]string, error) {
	w := s.newWalk(nil, func(*Record) bool { return false })
	w.left = maxWalked
	_, err := w.holder(h)
	return w.holders, err
}

// meets reports whether u waits for somebody with a lease that is the goal.
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
	if met, visited := w.visit(p); visited || w.left == 0 {
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
	leases, err := w.step.blockingLeases(u)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(leases, w.goal) {
		return true, nil
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
	o := Overlap{Claim: c, Before: &before, Limit: page}
	if from != nil {
		o.After = &Place{from.Key, from.Arrival - 1} // arrivals are unique
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
		if us, err = s.live(us); err != nil {
			return nil, err
		}
		found = append(found, us...)
		if !more || s.ends >= maxEnds {
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
	if met, visited := w.visit(p); visited || w.left == 0 {
		return met, nil
	}
	w.holders = append(w.holders, h)
	us, err := w.step.liveWaitersOf(h, max(w.left, 0))
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

// liveWaitersOf returns a holder's waiters, at most limit (0: all).
func (s *Step) liveWaitersOf(holder string, limit int) ([]*Record, error) {
	us, err := s.tx.WaitersOf(holder, limit)
	if err != nil {
		return nil, err
	}
	return s.live(us)
}

// maxCycle bounds how many holders the search for a deadlock visits.
const maxCycle = 64

// cycle returns the holders that wait for each other because r waits, r's first;
// nil if r's wait can end. It follows leases only: the order in the queue never
// makes a deadlock, since rule (b) gives way. Distinct requests take no part.
func (s *Step) cycle(r *Record) ([]string, error) {
	visited := []string{r.Holder}
	var search func(u *Record) ([]string, error)
	search = func(u *Record) ([]string, error) {
		leases, err := s.blockingLeases(u)
		if err != nil {
			return nil, err
		}
		for _, e := range leases {
			if u != r && e.Holder == r.Holder {
				return []string{u.Holder}, nil
			}
		}
		for _, e := range leases {
			if len(visited) == maxCycle || slices.Contains(visited, e.Holder) {
				continue
			}
			visited = append(visited, e.Holder)
			us, err := s.liveWaitersOf(e.Holder, 0)
			if err != nil {
				return nil, err
			}
			for _, v := range us {
				if v.Distinct {
					continue
				}
				rest, err := search(v)
				if err != nil {
					return nil, err
				}
				if rest != nil {
					return append([]string{u.Holder}, rest...), nil
				}
			}
		}
		return nil, nil
	}
	return search(r)
}
