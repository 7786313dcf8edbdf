package model

import (
	"cmp"
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// matches reports whether a query's ID, Holder, Path and Under select e.
func matches(q lease.Query, e *entry) bool {
	below := lease.Claim{Path: q.Under, Scope: lease.Tree}
	return (q.ID == "" || q.ID == e.ID) && (q.Holder == "" || q.Holder == e.Holder) &&
		(q.Path == "" || slices.ContainsFunc(e.Claims, func(c lease.Claim) bool { return covers(c, q.Path) })) &&
		(q.Under == "" || slices.ContainsFunc(e.Claims, func(c lease.Claim) bool { return covers(below, c.Path) }))
}

// List returns all that a query lists, by arrival.
func (m *Model) List(q lease.Query) []lease.Lease {
	m.begin()
	var found []lease.Lease
	for _, e := range m.entries {
		shown := q.ID != "" || !e.status.Ended()
		if len(q.Status) > 0 {
			shown = slices.Contains(q.Status, e.status)
		}
		if !shown || m.forgotten(e) || !matches(q, e) {
			continue
		}
		l := e.lease()
		if q.ID != "" {
			l.Contention = m.contention(e)
		}
		found = append(found, l)
	}
	return found
}

// Stats counts.
func (m *Model) Stats() lease.Stats {
	m.begin()
	s := lease.Stats{Active: len(m.leases()), Pending: len(m.waiters()), Refused: m.refused, Token: m.token}
	for _, u := range m.waiters() {
		if at := date(u.created); s.OldestWaiter.IsZero() || at.Before(s.OldestWaiter) {
			s.OldestWaiter = at
		}
	}
	return s
}

// History returns all events.
func (m *Model) History() []lease.Event {
	m.begin()
	return slices.Clone(m.events)
}

// Sweep forgets what has ended and is past its retention, or beyond ended_max:
// oldest end first, nothing of the last two minutes.
func (m *Model) Sweep() {
	m.begin()
	spared := m.now - lease.MinEndedRetention.Milliseconds()
	before := min(spared, m.now-m.config.EndedRetention.Milliseconds())
	ended := slices.DeleteFunc(slices.Clone(m.entries), func(e *entry) bool { return !e.status.Ended() })
	slices.SortFunc(ended, func(a, b *entry) int { return cmp.Or(cmp.Compare(a.ended, b.ended), cmp.Compare(a.arrival, b.arrival)) })
	for i, e := range ended {
		if e.ended <= before || len(ended)-i > m.config.EndedMax && e.ended <= spared {
			m.entries = slices.DeleteFunc(m.entries, func(x *entry) bool { return x == e })
		}
	}
}

// Config returns the configuration.
func (m *Model) Config() lease.Config { return m.config }

// SetConfig is [backend.Store.SetConfig].
func (m *Model) SetConfig(c lease.Config) (lease.Config, error) {
	m.begin()
	if c.Version != m.config.Version {
		return m.config, lease.ErrVersion
	}
	c.Version++
	m.config = c
	m.record(lease.KindConfig, m.now, nil, "", "")
	return c, nil
}

// Attempts returns, by ID, the attempts that have a part in each request that
// waits; none for the client's.
func (m *Model) Attempts() map[lease.ID][]string {
	m.begin()
	found := map[lease.ID][]string{}
	for _, u := range m.waiters() {
		found[u.ID] = slices.Clone(u.attempts)
	}
	return found
}
