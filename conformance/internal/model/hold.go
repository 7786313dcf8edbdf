package model

import (
	"slices"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Renew is [backend.Store.Renew].
func (m *Model) Renew(a backend.RenewArgs) backend.RenewReply {
	m.begin()
	reply := m.renew(a)
	reply.Now = date(m.now)
	return reply
}

func (m *Model) renew(a backend.RenewArgs) backend.RenewReply {
	if a.ConfigVersion != m.config.Version {
		c := m.config
		return backend.RenewReply{Outcome: backend.Stale, Config: &c}
	}
	e, end := m.referred(a.Ref)
	if end.Err != nil {
		return backend.RenewReply{Outcome: backend.Gone, End: end}
	}
	told := func(o backend.Outcome) backend.RenewReply {
		l := e.lease()
		l.Contention = m.contention(e)
		return backend.RenewReply{Outcome: o, Lease: l, Remaining: span(e.deadline - m.now)}
	}
	switch {
	case a.Op == e.op:
		return told(backend.Done)
	case a.Op < e.op:
		reply := told(backend.Overtaken)
		reply.Op = e.op
		return reply
	}
	if a.Relabel {
		e.Labels, e.op, e.updated = a.Labels, a.Op, m.now
		m.record(lease.KindRelabelled, m.now, e, "", "")
		return told(backend.Done)
	}
	if e.Parent.ID != "" {
		if _, end := m.referred(e.Parent); end.Err != nil {
			return backend.RenewReply{Outcome: backend.Gone, End: end}
		}
	}
	switch {
	case a.TTL == 0 && e.TTL > a.MaxTTL:
		return backend.RenewReply{Outcome: backend.TooLong}
	case e.MaxRenewals == lease.NoRenewals, e.MaxRenewals != lease.Unlimited && e.renewals >= e.MaxRenewals:
		return backend.RenewReply{Outcome: backend.LimitHit}
	case a.TTL > 0:
		e.deadline = m.until(e, a.TTL)
	default:
		e.deadline = max(e.deadline, m.until(e, e.TTL))
	}
	e.renewals++
	e.op, e.updated = a.Op, m.now
	m.record(lease.KindRenewed, m.now, e, "", "")
	return told(backend.Done)
}

// contention tells who waits for what e holds.
func (m *Model) contention(e *entry) lease.Contention {
	var c lease.Contention
	if e.status != lease.Active {
		return c
	}
	for _, u := range m.waiters() {
		if own(u, e) || !clash(u.Claims, e.Claims) || c.Waiters == lease.MaxContention {
			continue
		}
		if c.Waiters == 0 || u.Priority > c.Priority {
			c.Priority = u.Priority
		}
		if at := date(u.created); c.Waiters == 0 || at.Before(c.Since) {
			c.Since = at
		}
		c.Waiters++
	}
	return c
}

// Release is [backend.Store.Release].
func (m *Model) Release(a backend.ReleaseArgs) backend.ReleaseReply {
	m.begin()
	gone := func(end backend.End) backend.ReleaseReply {
		return backend.ReleaseReply{Outcome: backend.Gone, End: end}
	}
	e := m.find(a.Ref.ID)
	switch {
	case e == nil:
		return gone(backend.End{Err: lease.ErrNotFound})
	case e.Holder != a.Ref.Holder || a.Ref.Token != 0 && a.Ref.Token != e.token:
		return gone(backend.End{Err: lease.ErrNotHolder})
	case e.status == lease.Active:
		m.end(e, lease.Released, lease.EndReleased, lease.KindReleased, m.now, "", "")
	case e.status == lease.Pending:
		for _, attempt := range e.attempts {
			m.tombstones[attempt] = m.now + lease.MinEndedRetention.Milliseconds()
		}
		m.end(e, lease.Failed, lease.EndCancelled, lease.KindWithdrawn, m.now, "", "")
	case e.status == lease.Released && e.why == lease.EndReleased, e.why == lease.EndCancelled:
	default:
		return gone(endOf(e))
	}
	return backend.ReleaseReply{Outcome: backend.Done}
}

// Withdraw is [backend.Store.Withdraw].
func (m *Model) Withdraw(a backend.WithdrawArgs) backend.WithdrawReply {
	m.begin()
	m.tombstones[a.Attempt] = m.now + lease.MinEndedRetention.Milliseconds()
	e := m.find(a.ID)
	switch {
	case e == nil, e.status.Ended(), e.Holder != a.Holder, !slices.Contains(e.attempts, a.Attempt):
	case e.status == lease.Active && e.Replace.ID != "":
		return backend.WithdrawReply{Outcome: backend.Refused, Lease: e.lease(), Remaining: span(e.deadline - m.now)}
	case len(e.attempts) > 1:
		e.attempts = slices.DeleteFunc(e.attempts, func(x string) bool { return x == a.Attempt })
	default:
		e.attempts = []string{}
		m.end(e, lease.Failed, a.Why, lease.KindWithdrawn, m.now, "", "")
	}
	return backend.WithdrawReply{Outcome: backend.Done}
}

// Force is [backend.Store.Force].
func (m *Model) Force(a backend.ForceArgs) backend.ForceReply {
	m.begin()
	if reply, known := m.forced[a.Op]; known {
		return reply
	}
	reply := backend.ForceReply{Outcome: backend.Done}
	q := a.Query
	var selected []*entry
	for _, e := range m.entries {
		if !e.status.Ended() && matches(q, e) && (len(q.Status) == 0 || slices.Contains(q.Status, e.status)) {
			selected = append(selected, e)
		}
	}
	// Only by covering the path: to end a tree for it would end far more.
	onlyByTree := func(e *entry) bool {
		return q.Path != "" && q.ID == "" && q.Holder == "" && q.Under == "" &&
			!slices.ContainsFunc(e.Claims, func(c lease.Claim) bool { return c.Path == q.Path })
	}
	first := selected
	if q.Limit > 0 {
		first = first[:min(len(first), q.Limit)]
	}
	if !a.Again && slices.ContainsFunc(first, onlyByTree) {
		return backend.ForceReply{Outcome: backend.TreeOnly}
	}
	for _, e := range selected {
		if q.Limit > 0 && len(reply.Leases) == q.Limit {
			break
		}
		if e.status.Ended() || onlyByTree(e) {
			continue
		}
		e.revoked, e.op = a.Revocation, a.Op
		m.end(e, lease.Failed, lease.EndRevoked, lease.KindRevoked, m.now, a.Revocation.Actor, a.Revocation.Reason)
		reply.Leases = append(reply.Leases, e.lease())
	}
	if len(reply.Leases) > 0 {
		m.forced[a.Op] = reply
	}
	return reply
}
