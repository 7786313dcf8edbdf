package etcdbackend

import (
	"cmp"
	"context"
	"iter"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// The history is in keys of its own, one for each transaction that wrote events,
// named after the first of them. It is not mirrored but for the newest events;
// older ones are read when somebody asks for them.

// readHistory reads stored events in order, from this one on: some, of one or
// more keys, none if there are no more.
type readHistory func(from lease.Seq) ([]event, error)

// historyPage is how many keys are read at a time.
const historyPage = 32

func (s *Store) readHistory(ctx context.Context) readHistory {
	return func(from lease.Seq) ([]event, error) {
		// The key that has the event may be named after an earlier one.
		start := s.keys.history(from)
		at, err := s.kv.Get(ctx, s.keys.history(0), clientv3.WithRange(start+"\x00"), clientv3.WithKeysOnly(),
			clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend), clientv3.WithLimit(1))
		if err != nil {
			return nil, err
		}
		if len(at.Kvs) > 0 {
			start = string(at.Kvs[0].Key)
		}
		page, err := s.kv.Get(ctx, start, clientv3.WithRange(s.keys.prefix+historyKey+"~"), clientv3.WithLimit(historyPage))
		if err != nil {
			return nil, err
		}
		var found []event
		for _, kv := range page.Kvs {
			var some events
			if err := unpack(kv, &some); err != nil {
				return nil, err
			}
			for _, e := range some {
				if e.Seq >= from {
					found = append(found, e)
				}
			}
		}
		return found, nil
	}
}

// stored returns events from this one on, of those before the transaction.
func (t *transaction) stored(from lease.Seq) ([]event, error) {
	at, found := slices.BinarySearchFunc(t.window, from, func(some events, seq lease.Seq) int { return cmp.Compare(some[0].Seq, seq) })
	if !found {
		at-- // the key that has the event is named after an earlier one
	}
	if at < 0 {
		return t.read(from)
	}
	some := t.window[at]
	return some[min(int(from-some[0].Seq), len(some)):], nil
}

// Append implements [rules.Tx].
func (t *transaction) Append(e lease.Event) error {
	if t.head.Oldest == e.Seq {
		t.head.OldestAt = t.head.Counters.Now
	}
	if t.events == nil {
		t.events = make(events, 0, t.expected)
	}
	t.events = append(t.events, eventOf(e, t.head.Counters.Now))
	t.written = true
	t.size += sizeOf(e.Lease.Claims, e.Lease.Labels)
	return nil
}

// maxEvents is how many events are kept where Config.HistoryMaxEvents is 0: etcd's
// database is small.
const maxEvents = 1_000_000

// Trim implements [rules.Tx]. A key of which all events are trimmed is deleted;
// of another the head says which of its events are still there.
func (t *transaction) Trim(before int64, keep, limit int) (int, error) {
	if keep == 0 {
		keep = maxEvents
	}
	n, h := 0, &t.head
	var events []event
	for n < limit && h.Oldest <= h.Counters.Seq {
		beyond := int64(h.Counters.Seq-h.Oldest) >= int64(keep)
		if !beyond && h.OldestAt > before {
			break
		}
		if len(events) == 0 {
			var err error
			if events, err = t.from(h.Oldest); err != nil || len(events) == 0 {
				return n, err
			}
		}
		e := events[0]
		if !beyond && e.Recorded > before {
			h.OldestAt = e.Recorded
			break
		}
		events = events[1:]
		h.Oldest, h.OldestAt, t.written = e.Seq+1, e.Recorded, true
		if len(events) > 0 {
			h.OldestAt = events[0].Recorded
		}
		t.trimTo = max(t.trimTo, e.first)
		n++
	}
	return n, nil
}

// from returns events from this one on, those of the transaction included.
func (t *transaction) from(seq lease.Seq) ([]event, error) {
	if seq > t.seq {
		return t.events[int(seq-t.seq)-1:], nil
	}
	return t.stored(seq)
}

// view is the namespace at one moment: it implements [rules.View].
type view struct{ *transaction }

// Load implements [rules.View].
func (v view) Load() (rules.State, error) {
	s, err := v.transaction.Load()
	c := *s.Counters
	s.Counters = &c
	return s, err
}

// Events implements [rules.View].
func (v view) Events(q lease.Query, last lease.Seq, limit int) ([]lease.Event, error) {
	var found []lease.Event
	for next := q.After + 1; next <= last && len(found) < limit; {
		some, err := v.stored(next)
		switch {
		case err != nil:
			return nil, err
		case len(some) == 0 || some[0].Seq > next: // trimmed meanwhile
			return nil, &lease.TrimmedError{After: next - 1, Oldest: last + 1}
		}
		for _, e := range some {
			if e.Seq > last || len(found) == limit {
				break
			}
			if shown := e.event(); backend.MatchesEvent(q, shown) {
				found = append(found, shown)
			}
		}
		next = some[len(some)-1].Seq + 1
	}
	return found, nil
}

// Oldest implements [rules.View].
func (v view) Oldest() (lease.Seq, error) {
	if v.head.Oldest > v.head.Counters.Seq {
		return 0, nil
	}
	return v.head.Oldest, nil
}

// Page implements [rules.View].
func (v view) Page(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	return v.pick(question{
		from: func(x *index) iter.Seq[*rules.Record] {
			if q.ID != "" {
				return one(x.byID[q.ID])
			}
			return x.all(after)
		},
		match: func(r *rules.Record) bool { return r.Arrival > after && backend.Matches(q, r.Lease()) },
		order: byArrival, ordered: true, limit: limit,
	})
}

// Totals implements [rules.View].
func (v view) Totals(now int64) (rules.Totals, error) {
	var t rules.Totals
	for _, r := range v.records.live {
		switch {
		case r.Over(now):
		case r.Status == lease.Active:
			t.Active++
		default:
			t.Pending++
			if t.OldestWaiter == 0 || r.Created < t.OldestWaiter {
				t.OldestWaiter = r.Created
			}
		}
	}
	return t, nil
}

var _ rules.View = view{}
