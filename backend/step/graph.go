package step

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// A waiter waits for a holder if a lease of that holder blocks it, or if a
// holder whose lease blocks it, or who has an earlier waiter that conflicts
// with it, has a waiter that waits for that holder. The relation ignores the
// exception that is made of it, so it is not circular.

// waitsFor reports whether the waiter u waits for r's holder (or for the lease
// that r gives up): then r need not stand behind it. r counts as a waiter, in
// the store or not yet, so that asking again does not change the answer.
func (s *Step) waitsFor(u, r *Record) (bool, error) {
	w := walk{step: s, asker: r, goal: func(e *Record) bool { return mine(e, r) }}
	return w.from(u)
}

// reachable returns the holders that h waits for, through however many others,
// h included.
func (s *Step) reachable(h string) ([]string, error) {
	w := walk{step: s, goal: func(*Record) bool { return false }}
	_, err := w.holder(h)
	return w.holders, err
}

// walk follows who waits for whom, depth first.
type walk struct {
	step    *Step
	asker   *Record // a waiter that need not be in the store; nil if there is none
	goal    func(lease *Record) bool
	holders []string // visited: all their waiters are, too
	waiters []lease.ID
}

// from follows one waiter, and reports whether it met the goal.
func (w *walk) from(u *Record) (bool, error) {
	if slices.Contains(w.waiters, u.ID) {
		return false, nil
	}
	w.waiters = append(w.waiters, u.ID)
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
	met := false
	err = w.step.earlier(u, func(v *Record) (bool, error) {
		if v.Holder == u.Holder {
			return true, nil
		}
		var err error
		met, err = w.holder(v.Holder)
		return !met, err
	})
	if met || err != nil || w.asker == nil || !stands(u, w.asker) {
		return met, err
	}
	return w.holder(w.asker.Holder)
}

// stands reports whether u stands behind r in the queue.
func stands(u, r *Record) bool {
	_, _, conflict := u.conflicts(r)
	return conflict && r.Place().Before(u.Place()) && r.Holder != u.Holder
}

// holder follows all waiters of a holder.
func (w *walk) holder(h string) (bool, error) {
	if slices.Contains(w.holders, h) {
		return false, nil
	}
	w.holders = append(w.holders, h)
	us, err := w.step.liveWaitersOf(h)
	if err != nil {
		return false, err
	}
	if w.asker != nil && w.asker.Holder == h && !has(us, w.asker) {
		us = append(us, w.asker)
	}
	for _, u := range us {
		if met, err := w.from(u); met || err != nil {
			return met, err
		}
	}
	return false, nil
}

func (s *Step) liveWaitersOf(holder string) ([]*Record, error) {
	us, err := s.tx.WaitersOf(holder)
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
			us, err := s.liveWaitersOf(e.Holder)
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
