package conformance

import (
	"fmt"
	"slices"
	"time"
)

// Who asks again, and who must have been woken for that.

// pump makes those ask again that have reason to, until nobody has. In virtual
// time it begins at the next step, so that no two instructions share one.
func (p *player) pump(after string) {
	p.rest(after)
	p.pass()
	p.excuse(nil)
	p.rest("time passed after " + after)
}

// rest makes those ask again that have reason to, until nobody has.
func (p *player) rest(after string) {
	for round := 0; p.failed == ""; round++ {
		p.h.settle()
		w, why := p.next()
		if w == nil {
			return
		}
		if round == 1000 {
			p.differ("after %s: the waiters never come to rest", after)
			return
		}
		if why == unwoken && !p.woken(w) {
			p.differ("after %s: the store did not wake %s, which has reason to ask", after, w.args.Request.ID)
			return
		}
		w.late = false
		p.use(w.number)
		p.ask(w, fmt.Sprintf("after %s: %s asks again (%s)", after, w.args.Request.ID, why))
	}
}

// unwoken: the model says that a waiter has reason to ask.
const unwoken = "it had to be woken"

// next returns the first in the queue of those who have reason to ask again.
func (p *player) next() (*waiter, string) {
	for _, w := range p.queue {
		select {
		case <-w.hint:
			return w, "hint"
		default:
		}
		switch {
		case w.retry <= p.now:
			return w, "expiry"
		case w.beat <= p.now:
			return w, "heartbeat"
		}
	}
	for _, w := range p.queue {
		if !w.late && p.mustAsk(w) {
			return w, unwoken
		}
	}
	return nil, ""
}

// woken reports whether the store wakes the waiter, with nobody asking anything
// meanwhile. One that gives no hints is polled; one that finds out by polling may
// take its time.
func (p *player) woken(w *waiter) bool {
	if w.hint == nil {
		return true
	}
	var owed []*waiter
	for _, v := range p.queue {
		if !v.late && p.mustAsk(v) {
			owed = append(owed, v)
		}
	}
	patience := p.h.patience()
	if p.h.fixture.RealTime {
		patience = time.Second
	}
	select {
	case <-w.hint:
	case <-time.After(patience):
		return false
	}
	if p.h.fixture.RealTime || time.Since(p.start) <= time.Duration(p.now)*step+step/5 {
		return true
	}
	for time.Since(p.start) > time.Duration(p.now)*step {
		p.pass()
	}
	p.excuse(owed)
	return true
}

// excuse notes who has reason to ask because time has passed, except those to
// whom a hint was owed before that.
func (p *player) excuse(owed []*waiter) {
	for _, w := range p.queue {
		w.late = w.late || !slices.Contains(owed, w) && p.mustAsk(w)
	}
}

func (p *player) mustAsk(w *waiter) bool { return p.model.MustAsk(w.args.Request.ID, w.args.Attempt) }
