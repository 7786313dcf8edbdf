// Package rules is the state machine that stores written in Go share: each
// operation of a [backend.Store] as one step over a transaction ([Tx]), which
// is all that such a store has to write. Package backend/memory shows how
// little that is. (The Redis store does the same in Lua, and parity tests hold
// the two together.)
//
// The rules are those of the lease package, in the form that FINDINGS gives
// them ("The rules, model-checked"): every question is answered from the
// claims that overlap, never by looking at all leases or all waiters.
//
// Invariants, of every step that returns without an error:
//
//   - no two active leases whose time is not over conflict;
//   - a change of a record and its event are in the same transaction;
//   - whoever can now be granted, and could not before, has been woken.
package rules

import (
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Step runs operations in one transaction, at one moment of the store's clock.
// It is not safe for concurrent use.
type Step struct {
	tx       Tx
	counters *Counters
	config   lease.Config
	now      int64 // the store's clock, ms, rounded down: what is over is judged by it
	up       int64 // the same, rounded up: what is granted lasts from it

	ends   int                  // how many leases and waiters it has ended
	freed  []freed              // what may let waiters be granted
	tested int                  // how many of those it has tested
	passed map[lease.Claim]bool // of which it has woken one untested
}

// Begin starts a step. Read wall (time.Now) inside the transaction.
func Begin(tx Tx, wall time.Time) (*Step, error) {
	counters, config, err := tx.Load()
	if err != nil {
		return nil, err
	}
	s := &Step{tx: tx, counters: counters, config: config}
	s.now, s.up = counters.Clock(wall)
	return s, nil
}

// stale returns the current configuration if version is not that one's.
func (s *Step) stale(version uint64) *lease.Config {
	if version == s.config.Version {
		return nil
	}
	config := s.config
	return &config
}

// record writes the event of a change of r.
func (s *Step) record(kind lease.Kind, at int64, r *Record, actor, reason string) error {
	if !s.config.History || kind == lease.KindRenewed && !s.config.HistoryRenewals {
		return nil
	}
	s.counters.Seq++
	e := lease.Event{Seq: s.counters.Seq, Kind: kind, At: moment(at), Actor: actor, Reason: reason}
	if r != nil {
		e.Lease = r.Lease()
	}
	return s.tx.Append(e)
}

// find returns the request with this ID, its end recorded if its time is over;
// nil if there is none, or its end is no longer remembered.
func (s *Step) find(id lease.ID) (*Record, error) {
	r, err := s.tx.Find(id)
	if err != nil || r == nil {
		return nil, err
	}
	if err := s.expire(r); err != nil {
		return nil, err
	}
	if r.Forgotten(s.now, s.config) {
		return nil, nil
	}
	return r, nil
}

// endOf says how r ended, for a caller who asks for it by its ID.
func endOf(r *Record) backend.End {
	e := backend.End{Successor: r.Successor, Actor: r.Actor, Reason: r.Reason}
	switch r.EndReason {
	case lease.EndExpired, lease.EndLapsed:
		e.Err = lease.ErrExpired
	case lease.EndReleased:
		e.Err = lease.ErrReleased
	case lease.EndRevoked:
		e.Err = lease.ErrRevoked
	case lease.EndReplaced, lease.EndTransferred:
		e.Err = lease.ErrReplaced
	default: // withdrawn: as if it had never been
		e.Err = lease.ErrNotFound
	}
	return e
}

func gone(err error) backend.End { return backend.End{Err: err} }

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func span(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
