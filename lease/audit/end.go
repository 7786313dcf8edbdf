package audit

import (
	"fmt"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// end handles the events that end a lease or a place in line.
func (r *replay) end(e lease.Event) {
	l := r.known(e)
	if l == nil {
		return
	}
	if l.active {
		if l = r.held(e); l == nil {
			return
		}
		r.checkLastMoment(e, l)
		if e.Kind == lease.KindWithdrawn && l.replaces != "" {
			r.violateEvent(Replacement, e, l.since, "%s is withdrawn, but replaced %s at event %d", l.id, l.replaces, l.since)
		}
	} else {
		r.checkSame(e, l)
		r.checkWaiterEnd(e, l)
	}
	r.close(l)
	r.ended[l.id] = e.Seq
	r.tally.ended(e, l)
	if e.Kind == lease.KindReplaced || e.Kind == lease.KindTransferred {
		r.replacement(l.id, half{e, l}, r.replaced, r.granted)
	}
}

// checkLastMoment requires that a lease ended by its expiry, or before it.
func (r *replay) checkLastMoment(e lease.Event, l *life) {
	if e.Lease.Renewals > l.renewals {
		r.silent, l.certain = true, false
	}
	expires := e.Lease.ExpiresAt
	if l.certain {
		expires = l.expires
	}
	switch {
	case e.Kind == lease.KindLapsed:
		r.violateEvent(Unknown, e, l.since, "%s has lapsed, but it is a lease since event %d", l.id, l.since)
	case e.Kind == lease.KindExpired && !e.Lease.ExpiresAt.Equal(expires):
		r.violateEvent(Clock, e, l.since, "%s expired at %s, but its expiry was %s", l.id, stamp(e.Lease.ExpiresAt), stamp(expires))
	case e.Kind != lease.KindExpired && !e.At.Before(expires):
		r.violateEvent(Ended, e, l.since, "%s is %s at %s, but expired at %s", l.id, e.Kind, stamp(e.At), stamp(expires))
	}
}

// checkWaiterEnd requires that a place in line ended in a way that one can.
func (r *replay) checkWaiterEnd(e lease.Event, l *life) {
	switch e.Kind {
	case lease.KindLapsed, lease.KindWithdrawn, lease.KindRevoked:
	default:
		r.violateEvent(Unknown, e, l.since, "%s is %s, but it still waits since event %d", l.id, e.Kind, l.since)
	}
}

// close takes a life out of what is going on.
func (r *replay) close(l *life) {
	delete(r.open, l.id)
	if l.active {
		r.leases.remove(l)
		r.hold(l, -1)
		return
	}
	r.waiters.remove(l)
	delete(r.waiting[l.holder], l)
	if len(r.waiting[l.holder]) == 0 {
		delete(r.waiting, l.holder)
	}
}

// replacedBy returns the lease that the grant of l replaces, nil if none.
func (r *replay) replacedBy(e lease.Event, l *life) *life {
	if l.replaces == "" {
		return nil
	}
	old, ended := r.replaced[l.replaces]
	r.replacement(l.replaces, half{e, l}, r.granted, r.replaced)
	if ended {
		return old.life
	}
	return r.open[l.replaces]
}

// replacement brings the two halves of a replacement together: mine is put
// among its like until the other one comes.
func (r *replay) replacement(id lease.ID, mine half, like, others map[lease.ID]half) {
	other, ok := others[id]
	if !ok {
		like[id] = mine
		return
	}
	delete(others, id)
	old, grant := other, mine
	if mine.event.Kind != lease.KindGranted {
		old, grant = mine, other
	}
	same := old.life.holder == grant.life.holder
	switch kind := old.event.Kind; {
	case same && kind == lease.KindTransferred:
		r.violateEvent(Replacement, old.event, grant.event.Seq, "%s is transferred, but to its own holder", id)
	case !same && kind == lease.KindReplaced:
		r.violateEvent(Replacement, old.event, grant.event.Seq, "%s is replaced by another holder's %s, which is a transfer", id, grant.life.id)
	case !same && old.event.Actor != grant.life.holder:
		r.violateEvent(Replacement, old.event, grant.event.Seq, "%s is transferred to %s, but its actor is %q", id, grant.life.holder, old.event.Actor)
	}
}

// closeReplacements finds the halves that stayed alone in their step.
func (r *replay) closeReplacements() {
	for id, h := range r.replaced {
		r.violateEvent(Replacement, h.event, 0, "%s is %s, but nothing was granted instead", id, h.event.Kind)
	}
	for id, h := range r.granted {
		r.violateEvent(Replacement, h.event, 0, "%s is granted in place of %s, which was not replaced", h.life.id, id)
	}
	clear(r.replaced)
	clear(r.granted)
}

func (r *replay) violateEvent(rule Rule, e lease.Event, other lease.Seq, format string, args ...any) {
	r.violations = append(r.violations, Violation{rule, e.Seq, other, e.Lease.ID, text(format, args...)})
}

func text(format string, args ...any) string { return fmt.Sprintf(format, args...) }

func stamp(t time.Time) string { return t.UTC().Format("15:04:05.000") }
