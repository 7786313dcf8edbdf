package backend

import (
	"context"
	"sync"

	"github.com/leasekit/leasekit/lease"
)

// sharedAttempts gives calls for one ID that are under way at the same time one
// attempt between them. A store remembers a few attempts for each request; so
// it has to remember one for each process, however many calls that makes.
//
// The attempt is withdrawn when the last of its calls gives up, unless one of
// them was answered with the lease. Then the name is not used again.
type sharedAttempts struct {
	mu  sync.Mutex
	all map[lease.ID]*sharedAttempt
}

type sharedAttempt struct {
	name      string
	calls     int  // under way
	abandoned bool // one of them gave up what the store may have kept or granted
	granted   bool // one of them returned the lease
}

// conclusion is how a call of Acquire or TryAcquire ended.
type conclusion int

const (
	refused conclusion = iota // the store has nothing of it
	abandoned
	granted
)

// join returns the attempt for a call, which ends with leave.
func (s *sharedAttempts) join(id lease.ID) *sharedAttempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.all[id]
	if a == nil {
		a = &sharedAttempt{name: string(lease.NewID())}
		if s.all == nil {
			s.all = map[lease.ID]*sharedAttempt{}
		}
		s.all[id] = a
	}
	a.calls++
	return a
}

// leave ends a call, and reports whether the attempt must be withdrawn.
func (s *sharedAttempts) leave(id lease.ID, a *sharedAttempt, how conclusion) (withdraw bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.calls--
	a.granted = a.granted || how == granted
	a.abandoned = a.abandoned || how == abandoned
	if (a.calls == 0 || a.granted) && s.all[id] == a {
		delete(s.all, id) // later calls are attempts of their own
	}
	return a.calls == 0 && a.abandoned && !a.granted
}

// conclude ends the call's part in its attempt, once, and reports whether the
// attempt must be withdrawn.
func (e *engine) conclude(a *attempt, how conclusion) (withdraw bool) {
	switch {
	case a.concluded:
		return false
	case a.shared == nil:
		a.concluded = true
		return how == abandoned
	}
	a.concluded = true
	return e.attempts.leave(a.request.ID, a.shared, how)
}

// disown is for a call whose outcome nobody hears of, since an Observer
// panicked: what it was granted, or its place in line, is given back.
func (e *engine) disown(a *attempt, l lease.Lease) {
	switch {
	case a.request.QueueTTL > 0: // the client asks again
	case l.Token != 0:
		e.background(func() {
			ctx, cancel := context.WithTimeout(alone(e.last), releaseBound)
			defer cancel()
			_, _ = e.release(ctx, ReleaseArgs{Ref: l.Ref()}) // else it ends by its TTL
		})
	case a.sent && e.conclude(a, abandoned):
		e.takeBack(context.Background(), a.withdrawal(lease.EndCancelled))
	}
}

// withdrawal is what takes the attempt back.
func (a *attempt) withdrawal(why lease.EndReason) WithdrawArgs {
	return WithdrawArgs{ID: a.request.ID, Holder: a.request.Holder, Attempt: a.name, Why: why}
}
