package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// life is a request as the history tells it so far.
type life struct {
	id       lease.ID
	holder   string
	claims   []lease.Claim
	arrived  time.Time
	key      key
	active   bool      // it is a lease; otherwise it waits
	granted  time.Time // when it became one; zero if that is not in the history
	since    lease.Seq // the event that made it what it is: granted, or queued
	token    lease.Token
	renewals int
	replaces lease.ID
	distinct bool
	chain    []lease.ID // the leases above a sub-lease

	unlessRenewed []Violation // of its sub-leases' times, unless a renewal of this one went unrecorded

	// expires is the latest expiry that the history tells. It is certain unless
	// renewals went unrecorded or a grant has yet to be confirmed; then grants
	// that conflict with it after that time are kept in doubt, until a later
	// event says how long it really lasted.
	expires time.Time
	told    lease.Seq // the event that told it
	certain bool
	doubts  []*life
}

// replay is the state machine that events drive. Its state is what the history
// says is going on at this event.
type replay struct {
	partial bool
	boost   time.Duration

	seq      lease.Seq   // of the last event
	clock    time.Time   // the latest At
	clockAt  lease.Seq   // the event of it
	token    lease.Token // the highest
	tokenAt  lease.Seq   // the event of it
	arrivals uint64

	open    map[lease.ID]*life // what waits and what is active
	ended   map[lease.ID]lease.Seq
	leases  *index
	waiters *index
	waiting map[string]map[*life]bool   // waiters by holder
	above   map[lease.ID]map[string]int // how many active leases of a holder lie under a lease

	// Halves of replacements whose other half has yet to come, in the same step.
	replaced map[lease.ID]half // by the lease that was replaced
	granted  map[lease.ID]half // by the lease that the grant says it replaced

	silent     bool // a renewal went unrecorded
	violations []Violation
	tentative  []Violation // of the queue's order, as long as the configuration is the one known
	tally      tally
}

// half is one of the two events of a replacement.
type half struct {
	event lease.Event
	life  *life
}

func newReplay(partial bool, boost time.Duration) *replay {
	return &replay{
		partial: partial, boost: boost,
		open: map[lease.ID]*life{}, ended: map[lease.ID]lease.Seq{},
		leases: newIndex(), waiters: newIndex(), waiting: map[string]map[*life]bool{},
		above:    map[lease.ID]map[string]int{},
		replaced: map[lease.ID]half{}, granted: map[lease.ID]half{},
		tally: newTally(),
	}
}

func (r *replay) finish() Report {
	r.closeReplacements()
	r.violations = append(r.violations, r.tentative...)
	slices.SortStableFunc(r.violations, func(a, b Violation) int { return cmp.Compare(a.Seq, b.Seq) })
	return Report{Violations: r.violations, Summary: r.tally.summary()}
}

func (r *replay) event(e lease.Event) {
	r.checkSeq(e)
	r.seq = max(r.seq, e.Seq)
	r.checkClock(e)
	r.tally.count(e)
	switch e.Kind {
	case lease.KindConfig:
		r.forgetHeadStarts()
	case lease.KindQueued:
		r.queue(e)
	case lease.KindGranted:
		r.grant(e)
	case lease.KindRenewed:
		r.renew(e)
	case lease.KindRelabelled:
		r.relabel(e)
	case lease.KindReleased, lease.KindExpired, lease.KindLapsed, lease.KindWithdrawn,
		lease.KindRevoked, lease.KindReplaced, lease.KindTransferred:
		r.end(e)
	default:
		since := lease.Seq(0)
		if l := r.open[e.Lease.ID]; l != nil {
			since = l.since
		}
		r.violateEvent(Kinds, e, since, "%q is no kind of event", e.Kind)
	}
}

// checkSeq requires that no event is missing. A partial history may begin
// anywhere.
func (r *replay) checkSeq(e lease.Event) {
	switch {
	case e.Seq <= r.seq:
		r.violateEvent(Sequence, e, r.seq, "it follows event %d", r.seq)
	case e.Seq > r.seq+1 && (r.seq > 0 || !r.partial):
		r.violateEvent(Sequence, e, r.seq, "it follows event %d: %d are missing", r.seq, e.Seq-r.seq-1)
	}
}

// checkClock requires that time does not run backwards. A deadline may lie in
// the past, since its end is recorded when somebody comes across it.
func (r *replay) checkClock(e lease.Event) {
	if e.Kind == lease.KindExpired || e.Kind == lease.KindLapsed {
		if !e.At.Equal(e.Lease.ExpiresAt) {
			r.violateEvent(Clock, e, 0, "%s %s at %s, but its deadline was %s", e.Lease.ID, e.Kind, stamp(e.At), stamp(e.Lease.ExpiresAt))
		}
	} else if e.At.Before(r.clock) {
		r.violateEvent(Clock, e, r.clockAt, "it is dated %s, before %s of event %d", stamp(e.At), stamp(r.clock), r.clockAt)
	}
	if e.At.After(r.clock) {
		r.closeReplacements()
		r.clock, r.clockAt = e.At, e.Seq
	}
}

// forgetHeadStarts handles a change of the configuration: only its result is
// known, so what priorities were worth until now is not.
func (r *replay) forgetHeadStarts() {
	for _, l := range r.open {
		l.key.known = l.key.plain
	}
	r.tentative = nil
}

func (r *replay) queue(e lease.Event) {
	l := e.Lease
	if was := r.open[l.ID]; was != nil {
		r.violateEvent(Twice, e, was.since, "%s is queued, but it is %s since event %d", l.ID, was.state(), was.since)
		r.close(was)
	}
	if !l.CreatedAt.Equal(e.At) {
		r.violateEvent(Changed, e, 0, "%s is queued at %s, but arrived at %s", l.ID, stamp(e.At), stamp(l.CreatedAt))
	}
	r.takePlace(e)
	r.tally.queued()
}

// takePlace puts the event's request in line.
func (r *replay) takePlace(e lease.Event) *life {
	w := r.born(e)
	w.since = e.Seq
	r.open[w.id] = w
	r.waiters.add(w)
	if r.waiting[w.holder] == nil {
		r.waiting[w.holder] = map[*life]bool{}
	}
	r.waiting[w.holder][w] = true
	return w
}

// born returns a request as an event shows it first.
func (r *replay) born(e lease.Event) *life {
	l := e.Lease
	r.arrivals++
	return &life{
		id: l.ID, holder: l.Holder, claims: l.Claims, arrived: l.CreatedAt,
		key: r.keyOf(l.CreatedAt, l.Priority, r.arrivals), expires: l.ExpiresAt, told: e.Seq,
		replaces: l.Replaced, distinct: l.Distinct, chain: r.chainOf(l.Parent),
	}
}

func (r *replay) grant(e lease.Event) {
	was := r.open[e.Lease.ID]
	switch {
	case was != nil && was.active:
		r.violateEvent(Twice, e, was.since, "%s is granted, but it is active since event %d", was.id, was.since)
		r.close(was)
		was = nil
	case was != nil:
		r.checkSame(e, was)
	case !r.partial && !e.Lease.CreatedAt.Equal(e.At):
		r.violateEvent(Unknown, e, 0, "%s is granted after waiting since %s, but was never queued", e.Lease.ID, stamp(e.Lease.CreatedAt))
	}
	l := r.born(e)
	if was != nil {
		l.key, l.arrived, l.chain = was.key, was.arrived, was.chain
		r.close(was)
	}
	l.active, l.since, l.token, l.granted = true, e.Seq, e.Lease.Token, e.At
	r.checkLifetime(e, l, was)
	r.checkParent(e, l)
	if l.token <= r.token {
		r.violateEvent(Tokens, e, r.tokenAt, "%s is granted token %d, after token %d at event %d", l.id, l.token, r.token, r.tokenAt)
	} else {
		r.token, r.tokenAt = l.token, e.Seq
	}
	replaced := r.replacedBy(e, l)
	r.checkFree(e, l, replaced)
	r.checkOrder(l, replaced)
	r.open[l.id] = l
	r.leases.add(l)
	r.hold(l, 1)
	r.tally.granted(e, l, was != nil)
}

// confirmation is how long a waiter in another process has at least to confirm
// what it was granted, if its TTL is no shorter.
const confirmation = 2 * time.Second

// checkLifetime requires that a new lease lasts for its TTL. One that had
// waited may have yet to be confirmed, and is shorter until then.
func (r *replay) checkLifetime(e lease.Event, l, was *life) {
	ttl, since := e.Lease.TTL, lease.Seq(0)
	l.certain = !l.expires.Before(e.At.Add(ttl))
	if was != nil {
		ttl, since = min(ttl, confirmation), was.since
	}
	covered := e.Reason == lease.ReasonCovered
	if covered || r.boundByParent(l) {
		l.certain, ttl = true, 0
	}
	if !l.expires.Before(e.At.Add(ttl)) && l.expires.After(e.At) {
		return
	}
	v := Violation{Lifetime, e.Seq, since, l.id, text("%s is granted at %s with an expiry at %s, and a TTL of %v",
		l.id, stamp(e.At), stamp(l.expires), e.Lease.TTL)}
	if len(l.chain) > 0 && l.expires.After(e.At) { // its parent may have been renewed for less than it had left
		parent := r.open[l.chain[0]]
		parent.unlessRenewed = append(parent.unlessRenewed, v)
		return
	}
	r.violations = append(r.violations, v)
}

// checkFree requires that nothing active conflicts with a new lease.
func (r *replay) checkFree(e lease.Event, l, replaced *life) {
	for _, held := range r.leases.conflicting(l.claims) {
		switch {
		case held.holder == l.holder && !l.distinct, held == replaced, slices.Contains(l.chain, held.id):
		case held.expires.After(e.At):
			r.overlap(e, l, held)
		case held.certain && !r.silent:
			r.violateEvent(Unrecorded, e, held.since, "%s is granted over %s of %s, whose expiry at %s is not recorded",
				l.id, held.id, held.holder, stamp(held.expires))
		default:
			held.doubts = append(held.doubts, l)
		}
	}
}

func (r *replay) overlap(e lease.Event, l, held *life) {
	r.violations = append(r.violations, Violation{Overlap, l.since, held.since, l.id,
		text("%s holds %v since event %d, while %s holds %v since event %d (as event %d shows)",
			l.holder, l.claims, l.since, held.holder, held.claims, held.since, e.Seq)})
}

func (r *replay) renew(e lease.Event) {
	l := r.held(e)
	if l == nil {
		return
	}
	missed := e.Lease.Renewals - l.renewals - 1
	if missed > 0 {
		r.silent, l.certain = true, false
	}
	if l.certain && !l.expires.After(e.At) {
		r.violateEvent(Ended, e, l.since, "%s is renewed at %s, but expired at %s", l.id, stamp(e.At), stamp(l.expires))
	}
	limit := e.Lease.MaxRenewals
	if limit == lease.NoRenewals || limit > 0 && e.Lease.Renewals > limit {
		r.violateEvent(Renewals, e, l.since, "%s is renewed for the %d. time, its limit is %d", l.id, e.Lease.Renewals, max(0, limit))
	}
	if !e.Lease.ExpiresAt.After(e.At) {
		r.violateEvent(Lifetime, e, l.told, "%s is renewed at %s until %s, after an expiry at %s", l.id, stamp(e.At), stamp(e.Lease.ExpiresAt), stamp(l.expires))
	}
	if missed < 0 {
		r.violateEvent(Renewals, e, l.since, "%s is renewed for the %d. time, after %d", l.id, e.Lease.Renewals, l.renewals)
	}
	r.checkParent(e, l)
	l.renewals, l.expires, l.told, l.certain = e.Lease.Renewals, e.Lease.ExpiresAt, e.Seq, true
}

// relabel handles a change of labels, which leaves everything else as it was.
func (r *replay) relabel(e lease.Event) {
	l := r.held(e)
	if l == nil {
		return
	}
	switch missed := e.Lease.Renewals - l.renewals; {
	case missed < 0:
		r.violateEvent(Renewals, e, l.told, "%s has been renewed %d times, after %d", l.id, e.Lease.Renewals, l.renewals)
	case missed > 0: // a renewal went unrecorded
		r.silent = true
	case l.certain && !e.Lease.ExpiresAt.Equal(l.expires):
		r.violateEvent(Lifetime, e, l.told, "%s ends at %s with other labels, and without at %s", l.id, stamp(e.Lease.ExpiresAt), stamp(l.expires))
	}
	if !e.Lease.ExpiresAt.After(e.At) {
		r.violateEvent(Ended, e, l.told, "%s has other labels at %s, but expired at %s", l.id, stamp(e.At), stamp(e.Lease.ExpiresAt))
	}
	l.renewals, l.expires, l.told, l.certain = e.Lease.Renewals, e.Lease.ExpiresAt, e.Seq, true
}

// held returns the active lease that an event is about. What the event tells
// of the time until then ends the doubts about it.
func (r *replay) held(e lease.Event) *life {
	l := r.known(e)
	if l == nil {
		return nil
	}
	if !l.active {
		r.violateEvent(Unknown, e, l.since, "%s is %s, but it still waits since event %d", l.id, e.Kind, l.since)
		return nil
	}
	r.checkSame(e, l)
	r.checkSubleases(e, l)
	if e.Lease.Token != l.token {
		r.violateEvent(Tokens, e, l.since, "%s has token %d, but was granted token %d", l.id, e.Lease.Token, l.token)
	}
	for _, newer := range l.doubts {
		if e.At.After(newer.granted) {
			r.overlap(e, newer, l)
		}
	}
	l.doubts = nil
	return l
}

// known returns what the event is about. In a partial history it may be from
// before the first event.
func (r *replay) known(e lease.Event) *life {
	id := e.Lease.ID
	if l := r.open[id]; l != nil {
		return l
	}
	if at, ok := r.ended[id]; ok {
		r.violateEvent(Ended, e, at, "%s is %s, but ended at event %d", id, e.Kind, at)
		return nil
	}
	if !r.partial {
		r.violateEvent(Unknown, e, 0, "%s is %s, but was never granted or queued", id, e.Kind)
		return nil
	}
	if e.Lease.Token == 0 {
		r.tally.queued()
		return r.takePlace(e)
	}
	l := r.born(e)
	l.active, l.token, l.renewals, l.certain = true, e.Lease.Token, e.Lease.Renewals, true
	if e.Kind == lease.KindRenewed {
		l.renewals--
		l.certain = false
	}
	r.open[id] = l
	r.leases.add(l)
	r.hold(l, 1)
	r.tally.adopted()
	return l
}

// checkSame requires that a request is still the same.
func (r *replay) checkSame(e lease.Event, l *life) {
	switch {
	case e.Lease.Holder != l.holder:
		r.violateEvent(Changed, e, l.since, "%s belongs to %s, but to %s at event %d", l.id, e.Lease.Holder, l.holder, l.since)
	case !slices.Equal(e.Lease.Claims, l.claims):
		r.violateEvent(Changed, e, l.since, "%s claims %v, but %v at event %d", l.id, e.Lease.Claims, l.claims, l.since)
	case len(l.chain) > 0 && e.Lease.Parent != l.chain[0]:
		r.violateEvent(Changed, e, l.since, "%s lies under %q, but under %s at event %d", l.id, e.Lease.Parent, l.chain[0], l.since)
	case !e.Lease.CreatedAt.Equal(l.arrived):
		r.violateEvent(Changed, e, l.since, "%s arrived at %s, but at %s at event %d", l.id, stamp(e.Lease.CreatedAt), stamp(l.arrived), l.since)
	}
}

func (l *life) state() string {
	if l.active {
		return "active"
	}
	return "waiting"
}
