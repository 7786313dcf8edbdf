package rules

import (
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// maxCycle bounds how many holders with waiters the search for a deadlock
// visits, the asker's included.
const maxCycle = 64

// deadlock is the search for holders that wait for each other because a request
// waits. It follows leases only: the order in the queue never makes a deadlock,
// since a holder may pass who waits for it. Distinct requests take no part.
type deadlock struct {
	step    *Step
	asker   *Record
	held    []*Record // the leases of its holder
	more    bool      // it has more than these
	visited []string
	left    int // how many more waiters it may look at
}

// cycle returns the holders that wait for each other because r waits, r's first;
// nil if r's wait can end. It looks at so many waiters.
func (s *Step) cycle(r *Record, walked int) ([]string, error) {
	held, all, err := s.leasesOf(r.Holder)
	if err != nil || len(held) == 0 {
		return nil, err // nobody waits for a holder that has nothing
	}
	d := &deadlock{step: s, asker: r, held: held, more: !all, visited: []string{r.Holder}, left: walked}
	other, none, err := d.pair()
	switch {
	case err != nil || none:
		return nil, err
	case other != "":
		return []string{r.Holder, other}, nil
	}
	return d.search(r)
}

// pair looks backwards, from the waiters that the holder's leases block to the
// leases that block r: so two holders that wait for each other are found among
// however many leases there are in the way. none says that nobody waits for the
// holder.
func (d *deadlock) pair() (other string, none bool, err error) {
	none = !d.more
	asked := map[string]bool{}
	for rest := d.held; len(rest) > 0; {
		o := Overlap{Skip: d.asker.Holder, Limit: page}
		for len(rest) > 0 && (o.Claims == nil || len(o.Claims)+len(rest[0].Claims) <= lease.MaxClaims) {
			o.Claims, rest = append(o.Claims, rest[0].Claims...), rest[1:]
		}
		for more := true; more; {
			us, err := d.step.tx.Waiters(o)
			if err != nil {
				return "", false, err
			}
			if more = len(us) == page; more {
				last := us[page-1].Place()
				o.After = &last
			}
			if us, err = d.step.dropExpired(us); err != nil {
				return "", false, err
			}
			for _, u := range us {
				if u.Distinct || asked[u.Holder] || !d.blockedByHeld(u) {
					continue
				}
				none, asked[u.Holder] = false, true
				met, err := d.step.holderBlocks(u.Holder, d.asker)
				if err != nil || met {
					return u.Holder, false, err
				}
				if d.left--; d.left <= 0 || d.step.tx.spent() {
					return "", false, nil
				}
			}
			if d.step.full() {
				return "", false, nil
			}
		}
	}
	return "", none, nil
}

func (d *deadlock) blockedByHeld(u *Record) bool {
	return slices.ContainsFunc(d.held, func(e *Record) bool { return blocks(e, u) })
}

// waitsForAsker reports whether a lease of the asker's holder blocks u.
func (d *deadlock) waitsForAsker(u *Record) (bool, error) {
	if d.blockedByHeld(u) || !d.more {
		return d.blockedByHeld(u), nil
	}
	return d.step.holderBlocks(d.asker.Holder, u)
}

// search follows the leases that block u, depth first.
func (d *deadlock) search(u *Record) ([]string, error) {
	if u != d.asker {
		if met, err := d.waitsForAsker(u); met || err != nil {
			return []string{u.Holder}, err
		}
	}
	leases, err := d.step.blockingLeases(u, lease.MaxContention)
	if err != nil {
		return nil, err
	}
	for _, e := range leases {
		if slices.Contains(d.visited, e.Holder) {
			continue
		}
		if len(d.visited) == maxCycle || d.left <= 0 || d.step.tx.spent() {
			return nil, nil
		}
		us, err := d.step.liveWaitersOf(e.Holder, d.left)
		if err != nil {
			return nil, err
		}
		us = slices.DeleteFunc(us, func(v *Record) bool { return v.Distinct })
		if len(us) == 0 {
			continue
		}
		d.visited = append(d.visited, e.Holder)
		d.left -= len(us)
		for _, v := range us {
			rest, err := d.search(v)
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
