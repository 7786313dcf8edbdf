package lease

import (
	"context"
	"errors"
	"slices"
)

// index finds kept leases by ID: one lease may be kept more than once.
type index map[ID][]*Held

func (i index) add(h *Held) {
	if i != nil {
		i[h.lease.ID] = append(i[h.lease.ID], h)
	}
}

func (i index) remove(h *Held) {
	if i == nil {
		return
	}
	id := h.lease.ID
	if rest := slices.DeleteFunc(i[id], func(o *Held) bool { return o == h }); len(rest) > 0 {
		i[id] = rest
	} else {
		delete(i, id)
	}
}

// follow ends the keeping of leases that the history says have ended, until
// ctx ends. What it does not see a renewal finds out.
func (k *Keeper) follow(ctx context.Context) {
	q := Query{
		Kinds: []Kind{KindReleased, KindRevoked, KindReplaced, KindTransferred, KindWithdrawn},
		After: Now,
		All:   true, // to see tokens
	}
	for fellBehind := true; fellBehind; {
		fellBehind = false
		for event, err := range k.options.Watch.Watch(ctx, q) {
			if err != nil {
				fellBehind = errors.Is(err, ErrTrimmed)
				break
			}
			k.heard(event)
		}
	}
}

// heard takes in the end of a lease.
func (k *Keeper) heard(e Event) {
	ended := e.Lease
	if ended.Revoked == (Revocation{}) {
		ended.Revoked = Revocation{Actor: e.Actor, Reason: e.Reason}
	}
	k.mu.Lock()
	var gone []*Held
	for _, h := range slices.Clone(k.byID[ended.ID]) {
		if h.lease.Token == ended.Token && k.goneInStore(h, endedError("keep", h.lease.Ref(), ended)) {
			gone = append(gone, h)
		}
	}
	k.mu.Unlock()
	for _, h := range gone {
		k.tellLost(h)
	}
}

// goneInStore takes in that the store said that a lease has ended, and reports
// whether that is a loss to tell of.
func (k *Keeper) goneInStore(h *Held, why error) bool {
	switch {
	case h.phase() == phaseOver:
		k.unschedule(h)
		return false
	case h.replacing:
		// Most likely it is Replace that ended it: its result is on the way.
		h.failure = why
		if h.phase() != phaseRenewing { // else the renewal says the same
			h.enter(phaseResting)
			k.reschedule(h)
		}
		return false
	}
	k.end(h, phaseLost, why)
	return true
}
