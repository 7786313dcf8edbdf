package rules

import (
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Step runs operations in one transaction, at one moment of the store's clock.
// It is not safe for concurrent use.
type Step struct {
	tx       meter
	counters *Counters
	config   lease.Config
	client   string
	dates    time.Duration
	cover    *Cover
	now      int64 // the store's clock, ms, rounded down: what is over is judged by it
	up       int64 // the same, rounded up: what is granted lasts from it

	maxEnds int
	ends    int                  // how many leases and waiters it has ended
	ended   idSet                // which
	gone    map[string]bool      // answers of Tx.Gone
	changes []change             // what may let waiters be granted
	tested  int                  // how many of those it has tested
	passed  map[lease.Claim]bool // claims of which it has woken a waiter untested
	spare   *Record              // that nobody uses; nil if there is none
	arrived *Record              // the first request that arrived
}

// blank returns a record to be filled in.
func (s *Step) blank() *Record {
	r := s.spare
	if s.spare = nil; r == nil {
		r = new(Record)
	}
	if s.arrived == nil {
		s.arrived = r
	}
	return r
}

// Begin starts a step.
func Begin(tx Tx) (*Step, error) {
	s := new(Step)
	if err := s.Begin(tx); err != nil {
		return nil, err
	}
	return s, nil
}

// Begin starts a step in the place of one that is over, and of whose records the
// transaction keeps none.
func (s *Step) Begin(tx Tx) error {
	state, err := tx.Load()
	if err != nil {
		return err
	}
	spare := s.arrived
	if spare == nil {
		spare = s.spare
	}
	*s = Step{
		spare: spare, tx: meter{Tx: tx}, counters: state.Counters, config: state.Config,
		client: state.Client, dates: state.Dates, cover: state.Cover, maxEnds: maxEnds,
	}
	if state.MaxEnds > 0 {
		s.maxEnds = min(s.maxEnds, state.MaxEnds)
	}
	s.now, s.up = state.clock()
	s.counters.Now = s.now
	return nil
}

// clock returns the step's time for a reply. It is not shifted by State.Dates.
func (s *Step) clock() time.Time { return moment(s.now) }

// lease returns a record as replies show it.
func (s *Step) lease(r *Record) lease.Lease { return shifted(r.Lease(), s.dates) }

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

// find returns the request with this ID, nil if there is none or its end is no
// longer remembered. If its time is over it records the end.
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

// active returns the active lease with this ID, nil if there is none. It
// records nothing.
func (s *Step) active(id lease.ID) (*Record, error) {
	r, err := s.tx.Find(id)
	if err != nil || r == nil || r.Status != lease.Active || r.Over(s.now) {
		return nil, err
	}
	return r, nil
}

// referred returns the active lease that a full Ref names, or how it ended. The
// record is not nil if it has ended and is remembered.
func (s *Step) referred(ref lease.Ref) (*Record, backend.End, error) {
	r, err := s.find(ref.ID)
	switch {
	case err != nil:
		return nil, backend.End{}, err
	case r == nil:
		return nil, gone(lease.ErrNotFound), nil
	case r.Holder != ref.Holder || r.Token != ref.Token:
		return nil, gone(lease.ErrNotHolder), nil
	case r.Status != lease.Active:
		return r, endOf(r), nil
	}
	return r, backend.End{}, nil
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

// shifted returns a lease with its times moved by d.
func shifted(l lease.Lease, d time.Duration) lease.Lease {
	if d != 0 {
		for _, t := range []*time.Time{&l.CreatedAt, &l.GrantedAt, &l.ExpiresAt, &l.UpdatedAt, &l.Contention.Since} {
			*t = shiftedTime(*t, d)
		}
	}
	return l
}

func shiftedTime(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}

// idSet is a set of IDs, mostly of one. The zero value is empty.
type idSet struct {
	first lease.ID
	more  map[lease.ID]bool
}

func (s *idSet) has(id lease.ID) bool { return s.first == id || s.more[id] }

func (s *idSet) add(id lease.ID) {
	switch {
	case s.first == "":
		s.first = id
		return
	case s.more == nil:
		s.more = map[lease.ID]bool{}
	}
	s.more[id] = true
}

func (s *idSet) remove(id lease.ID) {
	if s.first == id {
		s.first = ""
	}
	delete(s.more, id)
}
