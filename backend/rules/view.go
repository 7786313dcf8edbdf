package rules

import (
	"strconv"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// View is a namespace at one moment, as the functions that read see it: what is
// read through one view belongs together while others go on writing. It changes
// nothing. It is not safe for concurrent use.
type View interface {
	// Load is called once, first. The clock is read before the moment is fixed: so
	// nothing that is renewed until then looks expired. What a step would change of
	// State.Counters is not kept.
	Load() (State, error)

	// Page returns up to limit records, by arrival, those after this arrival
	// only: at least those that [Listed] selects, in any status.
	Page(q lease.Query, after int64, limit int) ([]*Record, error)

	// Waiters is that of [Tx].
	Waiters(o Overlap) ([]*Record, error)

	// Events returns up to limit events, in order, after q.After and not after
	// last: at least those that q.MatchesEvent selects.
	Events(q lease.Query, last lease.Seq, limit int) ([]lease.Event, error)

	// Oldest returns the Seq of the oldest event that is kept, 0 if none is.
	Oldest() (lease.Seq, error)

	// Totals counts what is active, or waits, at this moment.
	Totals(now int64) (Totals, error)
}

// Totals is what [View.Totals] counts.
type Totals struct {
	Active, Pending int
	OldestWaiter    int64 // the earliest Record.Created of a waiter; 0 if none waits
}

// TotalsOf counts these records, which are Active or wait.
func TotalsOf(rs []*Record) Totals {
	var t Totals
	for _, r := range rs {
		if r.Status == lease.Active {
			t.Active++
			continue
		}
		t.Pending++
		if t.OldestWaiter == 0 || r.Created < t.OldestWaiter {
			t.OldestWaiter = r.Created
		}
	}
	return t
}

// pageSize is how many records List reads at a time, eventScan how many events
// Events looks at, however few match.
const (
	pageSize  = 200
	eventScan = 1000
)

// snapshot is a view that was loaded.
type snapshot struct {
	View
	State
	now int64
}

func load(v View) (snapshot, error) {
	state, err := v.Load()
	if err != nil {
		return snapshot{}, err
	}
	now, _ := state.clock()
	return snapshot{View: v, State: state, now: now}, nil
}

// clock returns the snapshot's time as people see it.
func (s snapshot) clock() time.Time { return moment(s.now).Add(s.Dates) }

// Listed reports whether a List by q shows r at this moment.
func Listed(r *Record, q lease.Query, now int64, c lease.Config) bool {
	if r.Forgotten(now, c) {
		return false
	}
	l := r.LeaseAt(now)
	return backend.Matches(q, l) && backend.MatchesStatus(q, l.Status)
}

// List is [backend.Store.List].
func List(v View, q lease.Query, cursor string) (backend.ListReply, error) {
	var after int64
	if cursor != "" {
		var err error
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return backend.ListReply{}, lease.Invalid("cursor", "%q", cursor)
		}
	}
	s, err := load(v)
	if err != nil {
		return backend.ListReply{}, err
	}
	rs, err := s.Page(q, after, pageSize)
	if err != nil {
		return backend.ListReply{}, err
	}
	page := backend.ListReply{Now: s.clock()}
	for _, r := range rs {
		after = r.Arrival
		if !Listed(r, q, s.now, s.Config) {
			continue
		}
		l := r.LeaseAt(s.now)
		if q.ID != "" {
			if l.Contention, err = contention(s, r, s.Counters.Waiting, s.now); err != nil {
				return backend.ListReply{}, err
			}
		}
		page.Leases = append(page.Leases, shifted(l, s.Dates))
	}
	if len(rs) == pageSize {
		page.Next = strconv.FormatInt(after, 10)
	}
	return page, nil
}

// Events is [backend.Store.Events]. EventsReply.Wait is the store's to fill in.
func Events(v View, a backend.EventsArgs) (backend.EventsReply, error) {
	s, err := load(v)
	if err != nil {
		return backend.EventsReply{}, err
	}
	q, head := a.Query, s.Counters.Seq
	if q.After >= head {
		return backend.EventsReply{Next: head}, nil
	}
	oldest, err := s.Oldest()
	if err != nil {
		return backend.EventsReply{}, err
	}
	if oldest == 0 {
		oldest = head + 1
	}
	switch {
	case q.After == 0:
		q.After = oldest - 1
	case q.After < oldest-1:
		return backend.EventsReply{}, &lease.TrimmedError{After: q.After, Oldest: oldest}
	}
	last := head
	if q.ID == "" { // a store finds the events of an ID without looking at others
		last = min(head, q.After+eventScan)
	}
	events, err := s.View.Events(q, last, a.Limit)
	if err != nil {
		return backend.EventsReply{}, err
	}
	reply := backend.EventsReply{Next: last}
	if len(events) == a.Limit {
		reply.Next = events[len(events)-1].Seq
	}
	for _, e := range events {
		if backend.MatchesEvent(q, e) {
			e.At, e.Lease = shiftedTime(e.At, s.Dates), shifted(e.Lease, s.Dates)
			reply.Events = append(reply.Events, e)
		}
	}
	return reply, nil
}

// Stats is [backend.Store.Stats].
func Stats(v View) (lease.Stats, error) {
	s, err := load(v)
	if err != nil {
		return lease.Stats{}, err
	}
	oldest, err := s.Oldest()
	if err != nil {
		return lease.Stats{}, err
	}
	totals, err := s.Totals(s.now)
	return lease.Stats{
		Now: s.clock(), Active: totals.Active, Pending: totals.Pending, OldestWaiter: shiftedTime(moment(totals.OldestWaiter), s.Dates),
		Head: s.Counters.Seq, Oldest: oldest, Token: s.Counters.Token, Refused: s.Counters.Refused,
	}, err
}

// Config is [backend.Store.Config].
func Config(v View) (backend.ConfigReply, error) {
	s, err := load(v)
	return backend.ConfigReply{Config: s.Config, Now: moment(s.now)}, err
}
