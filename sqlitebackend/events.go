package sqlitebackend

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
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

// eventWait is how long a watcher that found nothing waits.
const eventWait = 25 * time.Millisecond

// Events implements [backend.Store].
func (s *Store) Events(ctx context.Context, a backend.EventsArgs) (reply backend.EventsReply, err error) {
	err = s.look(ctx, "history", func(v *view) error {
		reply, err = rules.Events(v, a)
		return err
	})
	if err == nil && len(reply.Events) < a.Limit {
		reply.Wait = eventWait
	}
	return reply, err
}

const oldestEvent = `SELECT coalesce(min(place) - ?1, 0) FROM lease_history WHERE place > ?1 AND place < ?2`

// Oldest implements [rules.View].
func (v *view) Oldest() (oldest lease.Seq, err error) {
	low, high := span(v.namespace)
	err = v.row([]any{&oldest}, oldestEvent, low, high)
	return oldest, err
}

// Events implements [rules.View].
func (v *view) Events(q lease.Query, last lease.Seq, limit int) ([]lease.Event, error) {
	low := base(v.namespace)
	query := v.tx.NewSelect().Model((*event)(nil)).Where("place > ? AND place <= ?", low+int64(q.After), low+int64(last))
	if q.ID != "" { // the index leads straight to its events
		query = query.Where("namespace = ?", v.namespace).Where("lease_id = ?", string(q.ID))
	}
	if len(q.Kinds) > 0 {
		query = query.Where("kind IN (?)", bun.List(q.Kinds))
	}
	var rows []event
	if err := query.OrderExpr("place").Limit(int64(limit)).Scan(v.ctx, &rows); err != nil {
		return nil, err
	}
	found := make([]lease.Event, len(rows))
	for i, row := range rows {
		var err error
		if found[i], err = row.event(); err != nil {
			return nil, err
		}
	}
	return found, nil
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
