package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// askGrace is how long an ask that is under way when the Timeout runs out may
// still take: a grant that is on its way wins over the Timeout, a store that
// does not answer does not hold the caller.
const askGrace = 250 * time.Millisecond

// leastPlace is how long a place in line lasts at least without another ask,
// unless Config.WaiterTTL is less.
const leastPlace = time.Second

// attempt is one call of Acquire or TryAcquire.
type attempt struct {
	op      string         // "acquire" or "try acquire"
	request lease.Request  // normal form, with the defaults not filled in
	name    string         // AcquireArgs.Attempt
	shared  *sharedAttempt // whose name that is; nil if the call has one of its own
	start   time.Time      // of the call
	waits   bool           // it may wait in line

	concluded bool // see conclude

	// Of the asks so far:
	config  *lease.Config // the one that the last ask was filled in from
	asked   time.Duration // start of the last store call, by lease.Clock
	sent    bool          // the store may have a trace of the attempt
	again   bool          // it has answered
	queued  *AcquireReply // the last reply that kept a place; nil if none did
	full    bool          // it tells who is in the way now, not at an earlier ask
	wants   bool          // the next ask wants to know
	place   time.Duration // how long the place lasts without another ask
	since   time.Time     // when the first of them came
	kept    time.Duration // when, by lease.Clock, that place has lapsed for certain unless another ask reached the store
	trouble error         // why the last ask had no reply; nil if it had one
}

// newAttempt validates the request. blocking says that it comes from Acquire.
// Unless it returns an error, e.attempts.leave must follow for a.shared.
func (e *engine) newAttempt(op string, r lease.Request, blocking bool) (*attempt, error) {
	a := &attempt{op: op, start: time.Now(), wants: true}
	own := r.ID == ""
	var err error
	if a.request, err = normalize(r, blocking); err != nil {
		return nil, err
	}
	a.waits = blocking && !transfers(a.request)
	switch {
	case own: // an ID that is made here is used by no other call
		a.name = string(a.request.ID)
	case r.QueueTTL > 0: // the attempt is the client's own, across calls
	default:
		a.shared = e.attempts.join(a.request.ID)
		a.name = a.shared.name
	}
	return a, nil
}

// args fills in the request from a configuration, or says how it violates it.
func (a *attempt) args(c *lease.Config, noticesGone bool) (AcquireArgs, error) {
	r := a.request
	switch {
	case r.TTL == 0:
		r.TTL = c.DefaultTTL
	case r.TTL == lease.KeepTTL:
		r.TTL = c.KeepTTL
	case r.TTL > c.TTLCap():
		return AcquireArgs{}, lease.Invalid("ttl", "%v, more than max_ttl %v", r.TTL, c.TTLCap())
	}
	if r.MaxRenewals == 0 {
		r.MaxRenewals = c.MaxRenewals
	}
	place := r.QueueTTL
	if a.waits {
		place = c.WaiterTTL
		if !noticesGone { // others stand behind a dead waiter no longer than if it had been granted
			place = min(place, max(r.TTL, leastPlace))
		}
	}
	if place > 0 && !c.Blocking {
		return AcquireArgs{}, fmt.Errorf("lease: %s for %s: waiting in line is %w", a.op, r.Holder, lease.ErrDisabled)
	}
	return AcquireArgs{
		Request:       r,
		Attempt:       a.name,
		Again:         a.again,
		PlaceTTL:      place,
		HeadStart:     time.Duration(r.Priority) * c.PriorityBoost,
		Deadlock:      c.DeadlockCheck && place > 0,
		Quota:         c.MaxLeasesPerHolder,
		Blockers:      a.wants,
		ConfigVersion: c.Version,
	}, nil
}

// deadline returns when a waiting call's Timeout runs out, and false if it has
// none.
func (a *attempt) deadline(c *lease.Config) (time.Time, bool) {
	timeout := a.request.Timeout
	if timeout == 0 {
		timeout = c.AcquireTimeout
	}
	return a.start.Add(timeout), timeout != lease.NoTimeout
}

// timedOut reports whether the Timeout has run out.
func (a *attempt) timedOut() bool {
	if !a.waits || a.config == nil {
		return false
	}
	deadline, limited := a.deadline(a.config)
	return limited && !time.Now().Before(deadline)
}

// ask puts the attempt to the store: filled in from the configuration, and
// again while that has changed or the store's work is unfinished. An error
// means that there is no reply; a.sent says whether its outcome is unknown.
func (e *engine) ask(ctx context.Context, a *attempt) (AcquireReply, error) {
	for {
		c, err := e.config(ctx, a.op)
		if err != nil {
			return AcquireReply{}, err
		}
		args, violation := a.args(c, e.settings.notices.Load())
		if violation != nil {
			if current, err := e.current(ctx, a.op, c); err != nil {
				return AcquireReply{}, err
			} else if current {
				return AcquireReply{}, violation
			}
			continue
		}
		a.config = c
		reply, err := e.send(ctx, a, &args)
		if err != nil {
			return AcquireReply{}, err
		}
		e.clock.learn(reply.Now)
		switch reply.Outcome {
		case Late: // the clock was set, or the call took very long
			if !reply.Now.After(args.NotAfter) {
				return AcquireReply{}, unexpected(a.op, "late before its time")
			}
		case Stale:
			if err := e.stale(a.op, c, reply.Config); err != nil {
				return AcquireReply{}, err
			}
		case Again:
			a.again, a.sent = true, true
		default:
			a.again, a.sent = true, true
			return reply, nil
		}
		if ctx.Err() != nil {
			return AcquireReply{}, endedError(ctx, a.op)
		}
	}
}

// send is one call of Store.Acquire. A waiting call's Timeout bounds it, and
// once the call is in line so do Close and the end of its place. It sets how
// late the store may decide: no later than the call may take.
func (e *engine) send(ctx context.Context, a *attempt, args *AcquireArgs) (AcquireReply, error) {
	bounded := ctx
	if deadline, limited := a.askDeadline(); limited {
		// One that is later than the caller's own costs nothing.
		if own, ok := ctx.Deadline(); !ok || own.After(deadline) {
			limited := &lazyContext{values: ctx, end: ctx, until: deadline}
			defer limited.stop()
			bounded = limited
		}
	}
	if a.queued != nil {
		var stop func()
		bounded, stop = either(bounded, e.closing)
		defer stop()
	}
	patience := longestAsk
	if deadline, limited := bounded.Deadline(); limited {
		patience = time.Until(deadline)
	}
	traced := a.sent
	a.asked, a.sent = lease.Clock(), true
	args.NotAfter = e.clock.notAfter(a.asked, patience)
	reply, err := e.store.Acquire(bounded, *args)
	e.called(ctx, "acquire", a.asked, err)
	if err != nil {
		return reply, storeError(ctx, a.op, err)
	}
	a.sent = traced
	if reply.Outcome == Queued {
		a.place, a.kept = args.PlaceTTL, lease.Clock()+args.PlaceTTL
	}
	return reply, nil
}

// askDeadline returns when an ask of a waiting call must have its answer, and
// false if it may take for ever.
func (a *attempt) askDeadline() (at time.Time, limited bool) {
	if !a.waits {
		return at, false
	}
	if at, limited = a.deadline(a.config); limited {
		at = at.Add(askGrace)
	}
	if a.queued == nil {
		return at, limited
	}
	left := a.kept - lease.Clock()
	if left <= 0 { // this process was stopped: the store may keep a new place
		left = a.place
	}
	end := time.Now().Add(left)
	if limited && at.Before(end) {
		end = at
	}
	return end, true
}

// keep takes in a reply that kept a place. Unless all that is in the way was
// asked for, what an earlier reply told of that is kept.
func (a *attempt) keep(reply AcquireReply) {
	if a.full = a.wants; !a.wants {
		reply.Blockers, reply.Count, reply.Position = a.queued.Blockers, a.queued.Count, a.queued.Position
	}
	a.queued, a.wants, a.trouble = &reply, false, nil
}

// conflict is the error for a request that was not granted. reply says what is
// in the way, if that is known; reason is ConflictError.Err.
func (a *attempt) conflict(reply *AcquireReply, reason error) *lease.ConflictError {
	err := &lease.ConflictError{
		Op: a.op, ID: a.request.ID, Holder: a.request.Holder, Claims: a.request.Claims, Err: reason,
	}
	if reply != nil {
		err.Blockers, err.Count, err.Cycle = reply.Blockers, reply.Count, reply.Cycle
		err.Position, err.RetryAfter = reply.Position, reply.RetryAfter
	}
	return err
}
