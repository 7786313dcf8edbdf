package sqlitebackend

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/rowtext"
	"github.com/leasekit/leasekit/lease"
)

// event is a row of lease_history.
type event struct {
	bun.BaseModel `bun:"table:lease_history"`

	Place      int64           `bun:"place,pk"`
	Namespace  int64           `bun:"namespace"`
	Kind       string          `bun:"kind"`
	At         int64           `bun:"at"`
	RecordedAt int64           `bun:"recorded_at"`
	LeaseID    sql.NullString  `bun:"lease_id"`
	Lease      json.RawMessage `bun:"lease"`
	Actor      sql.NullString  `bun:"actor"`
	Reason     sql.NullString  `bun:"reason"`
}

// eventScan is how many events one call of Events looks at, however few match.
const eventScan = 1000

// eventWait is how long a watcher that found nothing waits.
const eventWait = 25 * time.Millisecond

// Events implements [backend.Store].
func (s *Store) Events(ctx context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	var reply backend.EventsReply
	err := s.look(ctx, "history", func(v *view) (err error) {
		reply.Events, reply.Next, err = v.events(a.Query, a.Limit)
		return err
	})
	if err != nil {
		return backend.EventsReply{}, err
	}
	if len(reply.Events) < a.Limit {
		reply.Wait = eventWait
	}
	return reply, nil
}

const oldestEvent = `SELECT coalesce(min(place) - ?1, ?3) FROM lease_history WHERE place > ?1 AND place < ?2`

func (v *view) events(q lease.Query, limit int) ([]lease.Event, lease.Seq, error) {
	head := v.counters.Seq
	oldest := head + 1
	low, high := span(v.namespace)
	if err := v.row([]any{&oldest}, oldestEvent, low, high, int64(oldest)); err != nil {
		return nil, 0, err
	}
	switch {
	case q.After >= head:
		return nil, head, nil
	case q.After == 0:
		q.After = oldest - 1
	case q.After < oldest-1:
		return nil, 0, &lease.TrimmedError{After: q.After, Oldest: oldest}
	}
	// What is selected by holder or path is looked through here, so the scan is
	// bounded. For an ID the index leads straight to its events.
	last := head
	query := v.tx.NewSelect().Model((*event)(nil)).Where("place > ?", low+int64(q.After))
	if q.ID != "" {
		query = query.Where("namespace = ?", v.namespace).Where("lease_id = ?", string(q.ID))
	} else {
		last = min(head, q.After+eventScan)
		query = query.Where("place <= ?", low+int64(last))
	}
	if len(q.Kinds) > 0 {
		query = query.Where("kind IN (?)", bun.List(q.Kinds))
	}
	var rows []event
	if err := query.OrderExpr("place").Limit(int64(limit)).Scan(v.ctx, &rows); err != nil {
		return nil, 0, err
	}
	if len(rows) == limit {
		last = lease.Seq(rows[limit-1].Place - low)
	}
	var found []lease.Event
	for _, row := range rows {
		e, err := row.event()
		if err != nil {
			return nil, 0, err
		}
		if q.MatchesEvent(e) {
			e.At, e.Lease = v.shown(e.At), v.shownLease(e.Lease)
			found = append(found, e)
		}
	}
	return found, last, nil
}

func (row event) event() (lease.Event, error) {
	e := lease.Event{
		Seq: lease.Seq(row.Place - base(row.Namespace)), Kind: lease.Kind(row.Kind), At: time.UnixMilli(row.At).UTC(),
		Actor: row.Actor.String, Reason: row.Reason.String,
	}
	if len(row.Lease) == 0 {
		return e, nil
	}
	var err error
	e.Lease, err = rowtext.ReadLease(lease.ID(row.LeaseID.String), row.Lease)
	return e, err
}
