package lease

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"time"
)

// clockPoll is how often the loop reads the clock at least: timers stand still
// while the machine is suspended, the clock does not.
const clockPoll = 500 * time.Millisecond

// neighbours is how many leases, kept one after the other, share a jitter: a
// full batch of a store. A store that has them side by side renews them with a
// fraction of the work.
const neighbours = 128

// jitter returns a random number from 0 up to 1, the same for neighbours. A
// lease keeps it for good: if each renewal drew anew, neighbours would be mixed
// with others after a few, and every renewal touch pages of its own. Groups
// have different periods by it, so those that an outage has brought together
// part again. The caller has locked the Keeper.
func (k *Keeper) jitter() float64 {
	if k.drawn%neighbours == 0 {
		k.draw = rand.Float64()
	}
	k.drawn++
	return k.draw
}

// The moments of renewal, as shares of the time from the call that brought the
// lease to its local deadline. The first renewal comes anywhere in the earlier
// half of a third, which takes apart what was granted together; later ones
// keep a jitter. It is not even around a third, since that time is a hundredth
// shorter than the TTL, and plan rounds down.
func firstRenewal(jitter float64) float64 { return (1 + jitter) / 6 }
func nextRenewal(jitter float64) float64  { return (0.94 + 0.16*jitter) / 3 }

// plan sets when the lease that was just brought has to be renewed, and when
// it counts as lost.
func (h *Held) plan(share float64) {
	h.deadline = h.lease.deadline() - h.early()
	if lifetime := h.options.MaxLifetime; lifetime > 0 {
		if end := h.until - min(h.early(), lifetime/20); h.deadline >= end {
			h.deadline = end
			if h.phase() == phaseWaiting {
				h.enter(phaseFinishing)
			}
		}
	}
	asked := h.lease.asked
	wait := moment(share * float64(h.lease.lasts))
	// Renewals that are due at nearly the same time are due together, which
	// saves wake-ups and gives the store something to merge. Both parts are
	// rounded, down, so that what was renewed together stays together.
	if together := min(h.lease.lasts/300, 100*time.Millisecond); together > 0 {
		asked, wait = floor(asked, together), floor(wait, together)
	}
	h.next = asked + wait
}

// floor rounds down to a multiple of unit, below zero too.
func floor(d, unit time.Duration) time.Duration { return d - ((d%unit)+unit)%unit }

// early is how long before the local deadline the lease counts as lost: for
// the holder's code to hear of it, on a busy machine, while it is still true
// that nobody else can have the path.
func (h *Held) early() time.Duration { return min(h.lease.lasts/20, time.Second) }

// nextDue is when something has to be done about the lease.
func (h *Held) nextDue() moment {
	switch h.phase() {
	case phaseWaiting:
		return min(h.next, h.deadline)
	case phaseOver:
		return h.until
	}
	return h.deadline
}

// loop waits for the next thing to be due and does it, until there is nothing
// left to keep.
func (k *Keeper) loop() {
	timer := time.NewTimer(clockPoll)
	defer timer.Stop()
	if k.options.Watch != nil {
		ctx, cancel := context.WithCancel(k.calls)
		defer cancel()
		k.running.Go(func() { k.follow(ctx) })
	}
	for {
		k.mu.Lock()
		now := Clock()
		ended, skipped := k.collect(now)
		idle := len(k.schedule) == 0
		k.looping = !idle
		wait := clockPoll
		if !idle {
			wait = min(wait, k.schedule[0].due-now)
		}
		k.mu.Unlock()
		for _, h := range ended {
			k.tellLost(h)
		}
		if skip := k.options.Observer.Skipped; skip != nil {
			for _, h := range skipped {
				skip(h.Lease(), now-moment(h.progress.Load()))
			}
		}
		if idle {
			return
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-k.wake:
		case <-k.closing:
			k.shut()
			return
		}
	}
}

// collect ends what has reached its deadline and hands to the workers what has
// to be renewed, or released.
func (k *Keeper) collect(now moment) (ended, skipped []*Held) {
	for len(k.schedule) > 0 && k.schedule[0].due <= now {
		h := k.schedule[0]
		switch idle := now - moment(h.progress.Load()); {
		case h.phase() == phaseOver:
			k.unschedule(h)
			k.work(h)
			continue
		case now >= h.deadline && h.phase() == phaseFinishing:
			k.finish(h)
			ended = append(ended, h)
			continue
		case now >= h.deadline:
			k.end(h, phaseExpired, h.expiry())
			ended = append(ended, h)
			continue
		case h.options.Progress > 0 && idle > h.options.Progress:
			h.enter(phaseStalled)
			skipped = append(skipped, h)
		case h.usedUp():
			h.failure = h.limit()
			h.enter(phaseResting)
		default:
			h.enter(phaseRenewing)
			k.work(h)
		}
		k.reschedule(h)
	}
	return ended, skipped
}

// work hands the lease to a worker.
func (k *Keeper) work(h *Held) {
	heap.Push(&k.ready, h)
	if k.workers < k.options.Concurrency {
		k.workers++
		k.running.Go(k.worker)
	}
}

// reschedule puts the lease in its new place in the schedule.
func (k *Keeper) reschedule(h *Held) {
	h.due = h.nextDue()
	heap.Fix(&k.schedule, h.place)
	k.nudge(h)
}

// nudge wakes the loop if the lease is the first in the schedule.
func (k *Keeper) nudge(h *Held) {
	if h.place == 0 {
		k.poke()
	}
}

func (k *Keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// schedule is a heap of leases, the first due on top.
type schedule []*Held

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].due < s[j].due }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push is for container/heap.
func (s *schedule) Push(x any) {
	h := x.(*Held)
	h.place = len(*s)
	*s = append(*s, h)
}

// Pop is for container/heap.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	h := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	h.place = -1
	return h
}

// urgency is a heap of leases, the one that is lost first on top.
type urgency []*Held

func (u urgency) Len() int           { return len(u) }
func (u urgency) Less(i, j int) bool { return u[i].deadline < u[j].deadline }
func (u urgency) Swap(i, j int)      { u[i], u[j] = u[j], u[i] }

// Push is for container/heap.
func (u *urgency) Push(x any) { *u = append(*u, x.(*Held)) }

// Pop is for container/heap.
func (u *urgency) Pop() any {
	last := len(*u) - 1
	h := (*u)[last]
	(*u)[last] = nil
	*u = (*u)[:last]
	return h
}
