package model

import (
	"slices"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// maxAttempts is how many attempts of a request the stores remember: one with
// more is the client's.
const maxAttempts = 8

// Acquire is [backend.Store.Acquire].
func (m *Model) Acquire(a backend.AcquireArgs) backend.AcquireReply {
	m.begin()
	reply := m.acquire(a)
	reply.Now = date(m.now)
	return reply
}

func (m *Model) acquire(a backend.AcquireArgs) backend.AcquireReply {
	if !a.NotAfter.IsZero() && m.now > a.NotAfter.UnixMilli() {
		return backend.AcquireReply{Outcome: backend.Late}
	}
	if a.ConfigVersion != m.config.Version {
		c := m.config
		return backend.AcquireReply{Outcome: backend.Stale, Config: &c}
	}
	e := m.find(a.Request.ID)
	switch {
	case e != nil && a.Again && slices.Contains(e.attempts, a.Attempt) && e.why == lease.EndCancelled:
		return backend.AcquireReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrReleased}}
	case m.tombstones[a.Attempt] > m.now:
		return backend.AcquireReply{Outcome: backend.Withdrawn}
	case e == nil, e.status.Ended() && slices.Contains([]lease.EndReason{
		lease.EndLapsed, lease.EndTimeout, lease.EndCancelled, lease.EndDeadlock,
	}, e.why):
		return m.arrive(a)
	case !same(e, a.Request):
		return backend.AcquireReply{Outcome: backend.Mismatch}
	case e.status.Ended():
		return backend.AcquireReply{Outcome: backend.Gone, End: endOf(e)}
	case e.status == lease.Active:
		e.join(a.Attempt)
		return m.granted(e)
	}
	if a.PlaceTTL > 0 {
		e.join(a.Attempt)
	}
	return m.decide(e, a, false)
}

// same reports whether e is the request that is asked for. The parent may be
// left out by one that replaces a sub-lease: it takes it over.
func same(e *entry, r lease.Request) bool {
	return e.Holder == r.Holder && e.Replace == r.Replace && slices.Equal(e.Claims, r.Claims) &&
		(e.Parent == r.Parent || r.Parent.ID == "" && r.Replace.ID != "")
}

func (e *entry) join(attempt string) {
	switch {
	case e.attempts == nil || attempt != "" && slices.Contains(e.attempts, attempt):
	case attempt == "" || len(e.attempts) == maxAttempts:
		e.attempts = nil
	default:
		e.attempts = append(e.attempts, attempt)
	}
}

// arrive handles a request that is new.
func (m *Model) arrive(a backend.AcquireArgs) backend.AcquireReply {
	e := &entry{
		Request: a.Request, attempts: []string{a.Attempt}, key: m.now - a.HeadStart.Milliseconds(),
		arrival: m.arrivals + 1, status: lease.Pending, created: m.now, updated: m.now,
	}
	if a.Attempt == "" {
		e.attempts = nil
	}
	if a.Quota > 0 && m.counted(a.Request) >= a.Quota {
		return backend.AcquireReply{Outcome: backend.OverQuota}
	}
	if e.Parent.ID == "" && e.Replace.ID != "" {
		old, end := m.referred(e.Replace)
		if end.Err != nil {
			return backend.AcquireReply{Outcome: backend.Gone, End: end}
		}
		e.Parent = old.Parent
	}
	if e.Parent.ID != "" {
		parent, end := m.referred(e.Parent)
		if end.Err != nil {
			return backend.AcquireReply{Outcome: backend.Gone, End: end}
		}
		e.chain = append([]lease.ID{parent.ID}, parent.chain...)
		if len(e.chain) > lease.MaxChain || slices.Contains(e.chain, e.Replace.ID) || slices.ContainsFunc(e.Claims, func(c lease.Claim) bool {
			return !slices.ContainsFunc(parent.Claims, func(p lease.Claim) bool { return within(c, p) })
		}) {
			return backend.AcquireReply{Outcome: backend.BadParent}
		}
	}
	return m.decide(e, a, true)
}

// counted is how many leases and waiters of the holder count against its quota
// when r arrives.
func (m *Model) counted(r lease.Request) int {
	n := 0
	for _, e := range m.entries {
		if !e.status.Ended() && e.Holder == r.Holder && (e.status != lease.Active || e.ID != r.Replace.ID) {
			n++
		}
	}
	return n
}

// decide grants e, keeps its place, or refuses it.
func (m *Model) decide(e *entry, a backend.AcquireArgs, first bool) backend.AcquireReply {
	for _, ref := range []lease.Ref{e.Replace, e.Parent} {
		if ref.ID == "" {
			continue
		}
		cause, end := m.referred(ref)
		if end.Err != nil {
			if !first {
				m.fail(e, cause, end)
			}
			return backend.AcquireReply{Outcome: backend.Gone, End: end}
		}
	}
	if a.PlaceTTL > 0 { // an ask that fails keeps no place
		e.deadline = max(e.deadline, m.now+a.PlaceTTL.Milliseconds())
	}
	leases, waiters := m.blockers(e)
	if len(leases)+len(waiters) == 0 {
		return m.grant(e, a, first)
	}
	reply := m.refusal(e, leases, waiters, a.Blockers)
	if first && a.PlaceTTL == 0 {
		m.refused++
		reply.Outcome = backend.Refused
		return reply
	}
	if first {
		m.add(e)
		m.record(lease.KindQueued, m.now, e, "", "")
	}
	if a.Deadlock && m.deadlocked(e) {
		m.end(e, lease.Failed, lease.EndDeadlock, lease.KindWithdrawn, m.now, "", "")
		reply.Outcome = backend.Deadlocked
		return reply
	}
	reply.Outcome, reply.Lease = backend.Queued, e.lease()
	reply.Position = 1 + min(len(waiters), max(0, lease.MaxContention-len(leases)))
	return reply
}

// add puts a request in the place of one with its ID that has ended.
func (m *Model) add(e *entry) {
	m.entries = slices.DeleteFunc(m.entries, func(x *entry) bool { return x.ID == e.ID })
	m.entries = append(m.entries, e)
	m.arrivals++
}

// refusal tells what is in the way.
func (m *Model) refusal(e *entry, leases, waiters []*entry, all bool) backend.AcquireReply {
	var reply backend.AcquireReply
	var latest int64
	for i, b := range slices.Concat(leases, waiters) {
		if i == lease.MaxContention {
			break
		}
		latest = max(latest, b.deadline)
		if reply.Count++; i < lease.MaxBlockers {
			reply.Blockers = append(reply.Blockers, lease.Blocker{
				ID: b.ID, Holder: b.Holder, Claims: b.Claims, Waiting: b.status == lease.Pending, ExpiresAt: date(b.deadline),
			})
		}
	}
	if parent := m.active(e.Parent.ID); parent != nil {
		latest = min(latest, parent.deadline)
	}
	reply.RetryAfter = span(latest - m.now)
	if !all {
		reply.Blockers, reply.Count = nil, 0
	}
	return reply
}

func (m *Model) grant(e *entry, a backend.AcquireArgs, first bool) backend.AcquireReply {
	e.join(a.Attempt)
	if old := m.active(e.Replace.ID); old != nil {
		old.successor = e.ID
		if old.Holder == e.Holder {
			m.end(old, lease.Released, lease.EndReplaced, lease.KindReplaced, m.now, "", "")
		} else {
			m.end(old, lease.Released, lease.EndTransferred, lease.KindTransferred, m.now, e.Holder, "")
		}
	}
	m.token = max(m.token+1, lease.Token(m.now)*1024)
	e.token, e.status, e.granted, e.updated = m.token, lease.Active, m.now, m.now
	e.deadline = m.until(e, e.TTL)
	if first {
		m.add(e)
	}
	m.record(lease.KindGranted, m.now, e, "", "")
	return m.granted(e)
}

// until returns when a lease of e ends that is granted or renewed now.
func (m *Model) until(e *entry, ttl time.Duration) int64 {
	end := m.up + ttl.Milliseconds()
	if parent := m.active(e.Parent.ID); parent != nil {
		end = min(end, parent.deadline)
	}
	return end
}

func (m *Model) granted(e *entry) backend.AcquireReply {
	return backend.AcquireReply{Outcome: backend.Done, Lease: e.lease(), Remaining: span(e.deadline - m.now)}
}

// MustAsk reports whether the caller that waits with this attempt would learn
// something new: its request can be granted, must fail, or was ended or granted
// by somebody else. What the ID has come to name since is none of its business.
func (m *Model) MustAsk(id lease.ID, attempt string) bool {
	m.begin()
	e := m.find(id)
	switch {
	case e == nil:
		return true
	case e.status != lease.Pending: // without a part in it, the attempt was withdrawn
		return e.attempts == nil || slices.Contains(e.attempts, attempt)
	case !m.hasParent(e), e.Replace.ID != "" && m.active(e.Replace.ID) == nil:
		return true
	}
	leases, waiters := m.blockers(e)
	return len(leases)+len(waiters) == 0
}
