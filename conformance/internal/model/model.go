// Package model is the contract of a store to the letter: what package backend
// promises, written down without any index, bound or shortcut, and without a
// line of package rules. Every lease and every waiter is looked at for every
// question; "waits for" is computed as a fixed point. It is what the random
// scripts and the linearizability checks judge stores by.
//
// It records each end as soon as any step is made after it, and does all of a
// step's work at once, so it never answers [backend.Again].
package model

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Model is a namespace. It is not safe for concurrent use.
type Model struct {
	Clock func() time.Time // the store's clock

	entries    []*entry // by arrival
	events     []lease.Event
	tombstones map[string]int64              // withdrawn attempts: until when
	forced     map[string]backend.ForceReply // by Op
	config     lease.Config
	now, up    int64 // the step's time in ms, rounded down and up
	token      lease.Token
	arrivals   int64
	refused    uint64
	edges      map[[2]string]bool // see IsCycle
}

// entry is a request from its first ask until it is forgotten.
type entry struct {
	lease.Request
	chain    []lease.ID
	attempts []string // that have a part in it; nil: the client has
	arrival  int64
	key      int64 // ms

	status    lease.Status
	why       lease.EndReason
	successor lease.ID
	revoked   lease.Revocation
	token     lease.Token
	renewals  int
	op        string // of the latest renewal, or change of labels

	created, granted, deadline, updated, ended int64 // ms
}

// New returns an empty namespace.
func New(clock func() time.Time) *Model {
	m := &Model{Clock: clock, tombstones: map[string]int64{}, forced: map[string]backend.ForceReply{}, config: lease.DefaultConfig()}
	m.config.Version = 1
	return m
}

// Clone returns a copy that shares nothing that changes.
func (m *Model) Clone() *Model {
	c := *m
	c.entries = make([]*entry, len(m.entries))
	for i, e := range m.entries {
		copied := *e
		copied.attempts = slices.Clone(e.attempts)
		c.entries[i] = &copied
	}
	c.events = slices.Clone(m.events)
	c.tombstones, c.forced = maps.Clone(m.tombstones), maps.Clone(m.forced)
	return &c
}

// begin begins a step: it reads the clock and records what is over.
func (m *Model) begin() {
	at := m.Clock()
	now := at.UnixMilli()
	up := now
	if at.After(time.UnixMilli(now)) {
		up++
	}
	m.now, m.up = max(m.now, now), max(m.now, up)
	over := slices.DeleteFunc(slices.Clone(m.entries), func(e *entry) bool { return e.status.Ended() || e.deadline > m.now })
	slices.SortStableFunc(over, func(a, b *entry) int { return cmp.Compare(a.deadline, b.deadline) })
	for _, e := range over {
		switch {
		case e.status.Ended(): // together with another one
		case e.status == lease.Active:
			m.end(e, lease.Expired, lease.EndExpired, lease.KindExpired, e.deadline, "", "")
		default:
			m.end(e, lease.Failed, lease.EndLapsed, lease.KindLapsed, e.deadline, "", "")
		}
	}
}

// end ends a lease or a waiter, and with a lease those who wait under it.
func (m *Model) end(e *entry, status lease.Status, why lease.EndReason, kind lease.Kind, at int64, actor, reason string) {
	was := e.status
	e.status, e.why, e.ended, e.updated = status, why, at, m.now
	m.record(kind, at, e, actor, reason)
	if was != lease.Active {
		return
	}
	for _, u := range m.byPlace(m.all(lease.Pending)) {
		if u.Parent.ID == e.ID {
			m.fail(u, e, endOf(e))
		}
	}
}

// fail ends a waiter as the lease ended that it named.
func (m *Model) fail(u, cause *entry, end backend.End) {
	why := lease.EndCancelled
	if cause != nil {
		why, u.successor = cause.why, cause.successor
	}
	u.revoked = lease.Revocation{Actor: end.Actor, Reason: end.Reason}
	m.end(u, lease.Failed, why, lease.KindWithdrawn, m.now, "", "")
}

func (m *Model) record(kind lease.Kind, at int64, e *entry, actor, reason string) {
	if !m.config.History || kind == lease.KindRenewed && !m.config.HistoryRenewals {
		return
	}
	event := lease.Event{Seq: lease.Seq(len(m.events) + 1), Kind: kind, At: date(at), Actor: actor, Reason: reason}
	if e != nil {
		event.Lease = e.lease()
	}
	m.events = append(m.events, event)
}

// all returns those with this status.
func (m *Model) all(status lease.Status) []*entry {
	var found []*entry
	for _, e := range m.entries {
		if e.status == status {
			found = append(found, e)
		}
	}
	return found
}

func (m *Model) leases() []*entry { return m.all(lease.Active) }

// waiters returns those who wait, in the order of the queue.
func (m *Model) waiters() []*entry { return m.byPlace(m.all(lease.Pending)) }

func (m *Model) byPlace(us []*entry) []*entry {
	slices.SortFunc(us, func(a, b *entry) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.arrival, b.arrival)) })
	return us
}

// find returns the request with this ID, nil if none is remembered.
func (m *Model) find(id lease.ID) *entry {
	for _, e := range m.entries {
		if e.ID == id && !m.forgotten(e) {
			return e
		}
	}
	return nil
}

func (m *Model) forgotten(e *entry) bool {
	return e.status.Ended() && e.ended+m.config.EndedRetention.Milliseconds() <= m.now
}

// referred returns the active lease that a full Ref names, or how it ended; the
// entry is nil if that is not remembered, or not the caller's.
func (m *Model) referred(ref lease.Ref) (*entry, backend.End) {
	e := m.find(ref.ID)
	switch {
	case e == nil:
		return nil, backend.End{Err: lease.ErrNotFound}
	case e.Holder != ref.Holder || e.token != ref.Token:
		return nil, backend.End{Err: lease.ErrNotHolder}
	case e.status != lease.Active:
		return e, endOf(e)
	}
	return e, backend.End{}
}

// endOf tells how a request ended.
func endOf(e *entry) backend.End {
	end := backend.End{Successor: e.successor, Actor: e.revoked.Actor, Reason: e.revoked.Reason}
	end.Err = map[lease.EndReason]error{
		lease.EndExpired: lease.ErrExpired, lease.EndLapsed: lease.ErrExpired, lease.EndReleased: lease.ErrReleased,
		lease.EndRevoked: lease.ErrRevoked, lease.EndReplaced: lease.ErrReplaced, lease.EndTransferred: lease.ErrReplaced,
	}[e.why]
	if end.Err == nil { // it was withdrawn
		end.Err = lease.ErrNotFound
	}
	return end
}

func date(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func span(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// lease returns the entry as people see it.
func (e *entry) lease() lease.Lease {
	l := lease.Lease{
		ID: e.ID, Token: e.token, Holder: e.Holder, Claims: e.Claims, Status: e.status, EndReason: e.why,
		TTL: e.TTL, Renewals: e.renewals, MaxRenewals: e.MaxRenewals, Priority: e.Priority, Distinct: e.Distinct, Labels: e.Labels,
		Replaced: e.Replace.ID, ReplacedBy: e.successor, Parent: e.Parent.ID, Revoked: e.revoked,
		CreatedAt: date(e.created), GrantedAt: date(e.granted), ExpiresAt: date(e.deadline), UpdatedAt: date(e.updated),
	}
	if e.granted > 0 {
		l.Waited = span(e.granted - e.created)
	}
	return l
}
