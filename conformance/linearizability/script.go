package linearizability

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// long outlasts every history.
const long = 24 * time.Hour

// script makes up the calls of one history. Its names are its own, so that many
// histories can be recorded on one store. It is safe for concurrent use.
type script struct {
	prefix  string
	version uint64 // of the store's configuration

	mu      sync.Mutex
	random  *rand.Rand
	asked   []backend.AcquireArgs
	granted []lease.Ref
	ops     int
	attempt int
}

func newScript(prefix string, version, seed uint64) *script {
	return &script{prefix: prefix, version: version, random: rand.New(rand.NewPCG(seed, 0))}
}

// next returns a call about what has been asked for and granted so far.
func (s *script) next() call {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.random.IntN(100)
	switch {
	case len(s.asked) == 0 || n < 36:
		return s.acquire()
	case n < 52:
		return s.again()
	case n < 66 && len(s.granted) > 0:
		return s.renew()
	case n < 80:
		return s.release()
	case n < 88:
		a := s.some()
		return call{Withdraw: &backend.WithdrawArgs{ID: a.Request.ID, Holder: a.Request.Holder, Attempt: a.Attempt, Why: lease.EndCancelled}}
	case n < 93:
		return s.force()
	}
	q := s.query()
	return call{List: &q}
}

// learn takes note of a grant, which later calls may be about.
func (s *script) learn(a answer) {
	if a.Ref.ID == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granted = append(s.granted, a.Ref)
}

// plain leaves out of a text what all names begin with.
func (s *script) plain(text string) string {
	return strings.NewReplacer(s.prefix+"/", "", s.prefix+"-", "", s.prefix, ".").Replace(text)
}

func (s *script) chance(percent int) bool { return s.random.IntN(100) < percent }

func (s *script) some() backend.AcquireArgs { return s.asked[s.random.IntN(len(s.asked))] }

func (s *script) holder() string { return fmt.Sprintf("%s-%c", s.prefix, 'a'+rune(s.random.IntN(4))) }

func (s *script) path() string { return s.prefix + []string{"", "/f", "/f/g", "/h"}[s.random.IntN(4)] }

func (s *script) newAttempt() string {
	s.attempt++
	return fmt.Sprintf("%s-attempt-%d", s.prefix, s.attempt)
}

func (s *script) claims() []lease.Claim {
	c := lease.Claim{Path: s.path()}
	if s.chance(30) {
		c.Mode = lease.Shared
	}
	if s.chance(30) {
		c.Scope = lease.Tree
	}
	if s.chance(15) && c.Path != s.prefix+"/h" {
		return []lease.Claim{c, {Path: s.prefix + "/h"}} // sorted: "h" is the last of the names
	}
	return []lease.Claim{c}
}

func (s *script) acquire() call {
	a := backend.AcquireArgs{
		Request: lease.Request{
			ID: lease.ID(fmt.Sprintf("%s-%d", s.prefix, len(s.asked))), Holder: s.holder(), Claims: s.claims(),
			TTL: long, MaxRenewals: lease.Unlimited, Distinct: s.chance(10),
		},
		Attempt: s.newAttempt(), Blockers: s.chance(50), ConfigVersion: s.version,
	}
	if s.chance(10) {
		a.Request.MaxRenewals = 1
	}
	if s.chance(10) {
		a.Quota = 2
	}
	if s.chance(50) {
		a.PlaceTTL, a.Deadlock = long, s.chance(70)
		if s.chance(20) {
			a.Request.Priority, a.HeadStart = 1, long // more than a history takes
		}
	}
	if len(s.granted) > 0 && s.chance(15) {
		old := s.granted[s.random.IntN(len(s.granted))]
		if a.Request.Replace = old; old.Holder != a.Request.Holder {
			a.PlaceTTL, a.Deadlock = 0, false // a transfer never waits
		}
	} else if len(s.granted) > 0 && s.chance(15) {
		a.Request.Parent = s.granted[s.random.IntN(len(s.granted))]
		a.Request.Holder = a.Request.Parent.Holder
	}
	s.asked = append(s.asked, a)
	return call{Acquire: &a}
}

// again asks for a request again: as the same attempt, or as another one.
func (s *script) again() call {
	a := s.some()
	switch {
	case s.chance(60):
		a.Again = s.chance(70)
	case s.chance(80):
		a.Attempt = s.newAttempt()
	default:
		a.Request.Holder += "x"
		a.Attempt = s.newAttempt()
	}
	return call{Acquire: &a}
}

func (s *script) renew() call {
	if s.ops == 0 || s.chance(80) {
		s.ops++
	}
	return call{Renew: &backend.RenewArgs{
		Ref: s.ref(), TTL: long, MaxTTL: lease.MaxTTL, Op: fmt.Sprintf("op%04d", s.ops-s.random.IntN(min(3, s.ops))), ConfigVersion: s.version,
	}}
}

// ref returns one that was granted, seldom with another token.
func (s *script) ref() lease.Ref {
	r := s.granted[s.random.IntN(len(s.granted))]
	if s.chance(5) {
		r.Token++
	}
	return r
}

func (s *script) release() call {
	if len(s.granted) > 0 && s.chance(70) {
		return call{Release: &backend.ReleaseArgs{Ref: s.ref()}}
	}
	r := s.some().Request
	return call{Release: &backend.ReleaseArgs{Ref: lease.Ref{ID: r.ID, Holder: r.Holder}}}
}

func (s *script) force() call {
	if s.ops == 0 || s.chance(80) {
		s.ops++
	}
	q := s.query()
	if s.chance(10) {
		q.Limit = 1
	}
	return call{Force: &backend.ForceArgs{Query: q, Revocation: lease.Revocation{Actor: "root", Reason: "stuck"}, Op: fmt.Sprintf("%s-force-%d", s.prefix, s.ops)}}
}

func (s *script) query() lease.Query {
	switch n := s.random.IntN(10); {
	case n < 4:
		return lease.Query{ID: s.some().Request.ID}
	case n < 7:
		return lease.Query{Holder: s.holder()}
	case n < 9:
		return lease.Query{Path: s.path()}
	}
	return lease.Query{Under: s.prefix + "/f"}
}
