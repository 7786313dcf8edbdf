package memory

import (
	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// view implements [rules.View]. The handle's lock is held for as long as it is
// used.
type view struct{ *transaction }

func (v view) Page(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	return pick(v.records, limit, arrival, func(r *rules.Record) bool { return r.Arrival > after && backend.Matches(q, r.Lease()) })
}

func (v view) Events(q lease.Query, last lease.Seq, limit int) ([]lease.Event, error) {
	var found []lease.Event
	for _, e := range v.events {
		if e.Seq > q.After && e.Seq <= last && len(found) < limit && backend.MatchesEvent(q, e.Event) {
			found = append(found, copiedEvent(e.Event))
		}
	}
	return found, nil
}

func (v view) Oldest() (lease.Seq, error) {
	if len(v.events) == 0 {
		return 0, nil
	}
	return v.events[0].Seq, nil
}

func (v view) Totals(now int64) (rules.Totals, error) {
	var live []*rules.Record
	for _, r := range v.open.all {
		if !r.Over(now) {
			live = append(live, r)
		}
	}
	return rules.TotalsOf(live), nil
}
