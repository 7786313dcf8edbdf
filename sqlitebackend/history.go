package sqlitebackend

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/lease"
)

// event is a row of lease_history.
type event struct {
	bun.BaseModel `bun:"table:lease_history"`

	Namespace  int64           `bun:"namespace,pk"`
	Seq        int64           `bun:"seq,pk"`
	Kind       string          `bun:"kind"`
	At         int64           `bun:"at"`
	RecordedAt int64           `bun:"recorded_at"`
	LeaseID    sql.NullString  `bun:"lease_id"`
	Lease      json.RawMessage `bun:"lease"`
	Actor      sql.NullString  `bun:"actor"`
	Reason     sql.NullString  `bun:"reason"`
}

// Append implements [step.Tx].
func (t *transaction) Append(e lease.Event) error {
	body, err := jsonText(e.Lease, e.Lease.ID == "")
	if err != nil {
		return err
	}
	_, err = t.change(`INSERT INTO lease_history (namespace, seq, kind, at, recorded_at, lease_id, lease, actor, reason)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		t.namespace, e.Seq, string(e.Kind), e.At.UnixMilli(), t.counters.Now, text(e.Lease.ID), body, text(e.Actor), text(e.Reason))
	return err
}

// Trim implements [step.Tx].
func (t *transaction) Trim(before int64, keep, limit int) (int, error) {
	beyond := int64(-1) // events up to this one are beyond the newest keep
	if keep > 0 {
		beyond = int64(t.counters.Seq) - int64(keep)
	}
	return t.change(`DELETE FROM lease_history WHERE namespace = ?1 AND seq IN (
		SELECT seq FROM lease_history WHERE namespace = ?1 AND (recorded_at <= ?2 OR seq <= ?3)
			AND seq < (SELECT min(seq) FROM lease_history WHERE namespace = ?1) + ?4
		ORDER BY seq LIMIT ?4)`, t.namespace, before, beyond, limit)
}

// eventScan is how many events one call of Events looks at, however few match.
const eventScan = 1000

// eventWait is how long a watcher that found nothing waits.
const eventWait = 25 * time.Millisecond

// Events implements [backend.Store].
func (s *Store) Events(ctx context.Context, q lease.Query, limit int) ([]lease.Event, lease.Seq, time.Duration, error) {
	var head, oldest lease.Seq
	err := s.db.reader.DB.QueryRowContext(ctx, `SELECT seq, coalesce((SELECT min(seq) FROM lease_history WHERE namespace = ?1), seq + 1)
		FROM lease_counters WHERE namespace = ?1`, s.namespace).Scan(&head, &oldest)
	if err != nil {
		return nil, 0, 0, readFailed(ctx, "history", err)
	}
	switch {
	case q.After >= head:
		return nil, head, eventWait, nil
	case q.After == 0:
		q.After = oldest - 1
	case q.After < oldest-1:
		return nil, 0, 0, &lease.TrimmedError{After: q.After, Oldest: oldest}
	}
	// What is selected by path is looked through here, so the scan is bounded.
	last := min(head, q.After+eventScan)
	query := s.db.reader.NewSelect().Model((*event)(nil)).
		Where("namespace = ?", s.namespace).
		Where("seq > ?", int64(q.After)).
		OrderExpr("seq")
	if q.ID != "" {
		last = head // the index leads straight to them
		query = query.Where("lease_id = ?", string(q.ID))
	}
	query = query.Where("seq <= ?", int64(last))
	if len(q.Kinds) > 0 {
		query = query.Where("kind IN (?)", bun.In(q.Kinds))
	}
	var rows []event
	if err := query.Limit(eventScan).Scan(ctx, &rows); err != nil {
		return nil, 0, 0, readFailed(ctx, "history", err)
	}
	var found []lease.Event
	for _, row := range rows {
		e, err := row.event()
		if err != nil {
			return nil, 0, 0, &lease.UnavailableError{Op: "history", Err: err}
		}
		if !q.MatchesEvent(e) {
			continue
		}
		if found = append(found, e); len(found) == limit {
			return found, e.Seq, 0, nil
		}
	}
	if len(rows) == eventScan {
		last = lease.Seq(rows[len(rows)-1].Seq)
	}
	return found, last, eventWait, nil
}

func (row event) event() (lease.Event, error) {
	e := lease.Event{
		Seq: lease.Seq(row.Seq), Kind: lease.Kind(row.Kind), At: time.UnixMilli(row.At).UTC(),
		Actor: row.Actor.String, Reason: row.Reason.String,
	}
	if len(row.Lease) == 0 {
		return e, nil
	}
	return e, json.Unmarshal(row.Lease, &e.Lease)
}

// readFailed is a read's error: the context's own if it has ended, since a
// driver may report its interruption in words of its own.
func readFailed(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return unavailable(doing, err)
}
