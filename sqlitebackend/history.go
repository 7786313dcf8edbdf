package sqlitebackend

import (
	"context"
	"database/sql"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
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

// past is a lease in lease_history: shorter, and faster to write, than a
// lease.Lease. Times are those of rules.Record; the ID has a column of its own.
// appendPast writes it.
type past struct {
	Token       lease.Token       `json:"token"`
	Holder      string            `json:"holder"`
	Claims      []claimText       `json:"claims"`
	Status      string            `json:"status"`
	EndReason   lease.EndReason   `json:"end_reason"`
	TTL         int64             `json:"ttl"`
	Renewals    int               `json:"renewals"`
	MaxRenewals int               `json:"max_renewals"`
	Priority    int               `json:"priority"`
	Distinct    bool              `json:"distinct"`
	Labels      map[string]string `json:"labels"`
	Replaced    lease.ID          `json:"replaced"`
	ReplacedBy  lease.ID          `json:"replaced_by"`
	Parent      lease.ID          `json:"parent"`
	Actor       string            `json:"actor"`
	Reason      string            `json:"note"`
	Created     int64             `json:"created_at"`
	Granted     int64             `json:"granted_at"`
	Deadline    int64             `json:"deadline"`
	Updated     int64             `json:"updated_at"`
}

// appendPast appends the JSON of a past, without what is empty. It is written
// for every renewal, so by hand: encoding/json takes four times as long, and
// leaves twice as much garbage.
func appendPast(b []byte, l *lease.Lease) ([]byte, error) {
	b = append(b, `{"holder":`...)
	b = appendText(b, l.Holder)
	b = append(b, `,"claims":`...)
	b = appendClaims(b, l.Claims)
	b = appendTextField(b, "status", l.Status.String())
	b = appendTextField(b, "end_reason", string(l.EndReason))
	b = appendTextField(b, "replaced", string(l.Replaced))
	b = appendTextField(b, "replaced_by", string(l.ReplacedBy))
	b = appendTextField(b, "parent", string(l.Parent))
	b = appendTextField(b, "actor", l.Revoked.Actor)
	b = appendTextField(b, "note", l.Revoked.Reason)
	b = appendNumberField(b, "token", int64(l.Token))
	b = appendNumberField(b, "ttl", l.TTL.Milliseconds())
	b = appendNumberField(b, "renewals", int64(l.Renewals))
	b = appendNumberField(b, "max_renewals", int64(l.MaxRenewals))
	b = appendNumberField(b, "priority", int64(l.Priority))
	b = appendNumberField(b, "created_at", millis(l.CreatedAt))
	b = appendNumberField(b, "granted_at", millis(l.GrantedAt))
	b = appendNumberField(b, "deadline", millis(l.ExpiresAt))
	b = appendNumberField(b, "updated_at", millis(l.UpdatedAt))
	if l.Distinct {
		b = append(b, `,"distinct":true`...)
	}
	if len(l.Labels) > 0 {
		labels, err := json.Marshal(l.Labels)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"labels":`...), labels...)
	}
	return append(b, '}'), nil
}

func appendTextField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return appendText(b, value)
}

func appendNumberField(b []byte, name string, value int64) []byte {
	if value == 0 {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return strconv.AppendInt(b, value, 10)
}

// Append implements [rules.Tx].
func (t *transaction) Append(e lease.Event) error {
	var body any
	if e.Lease.ID != "" {
		text, err := appendPast(t.store.room.text[:0], &e.Lease)
		if err != nil {
			return err
		}
		t.store.room.text = text
		body = string(text)
	}
	t.events = append(t.events, base(t.namespace)+int64(e.Seq), t.namespace, string(e.Kind), e.At.UnixMilli(), t.counters.Now, text(e.Lease.ID), body,
		text(e.Actor), text(e.Reason))
	if len(t.events) == maxEvents*eventColumns {
		return t.writeEvents()
	}
	return nil
}

// maxEvents is how many events one statement writes at most.
const (
	maxEvents    = 32
	eventColumns = 9
)

// insertEvents returns the statement that writes n events.
func insertEvents(n int) string {
	const row = `(?, ?, ?, ?, ?, ?, ?, ?, ?)`
	return `INSERT INTO lease_history (place, namespace, kind, at, recorded_at, lease_id, lease, actor, reason) VALUES ` +
		row + strings.Repeat(`, `+row, n-1)
}

// writeEvents writes what Append has collected: it is called before anything
// reads lease_history, and before the end. Of statements there are those for 32
// events, 16, ... and 1.
func (t *transaction) writeEvents() error {
	left := t.events
	for n := maxEvents; n > 0; n /= 2 {
		for ; len(left) >= n*eventColumns; left = left[n*eventColumns:] {
			if _, err := t.change(insertEvents(n), left[:n*eventColumns]...); err != nil {
				return err
			}
		}
	}
	clear(t.events)
	t.events = t.events[:0]
	t.store.room.events = t.events
	return nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Trim implements [rules.Tx].
func (t *transaction) Trim(before int64, keep, limit int) (int, error) {
	if err := t.writeEvents(); err != nil {
		return 0, err
	}
	low, high := span(t.namespace)
	beyond := low // events up to this one are beyond the newest keep
	if keep > 0 {
		beyond += int64(t.counters.Seq) - int64(keep)
	}
	return t.change(`DELETE FROM lease_history WHERE place IN (
		SELECT place FROM lease_history WHERE place > ?1 AND place < ?2 AND (recorded_at <= ?3 OR place <= ?4)
			AND place < (SELECT min(place) FROM lease_history WHERE place > ?1 AND place < ?2) + ?5
		ORDER BY place LIMIT ?5)`, low, high, before, beyond, limit)
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
	var p past
	if err := json.Unmarshal(row.Lease, &p); err != nil {
		return e, err
	}
	r := rules.Record{
		ID: lease.ID(row.LeaseID.String), Token: p.Token, Holder: p.Holder, Claims: claimsOf(p.Claims), EndReason: p.EndReason,
		TTL: p.TTL, Renewals: p.Renewals, MaxRenewals: p.MaxRenewals, Priority: p.Priority, Labels: p.Labels,
		Distinct: p.Distinct, Replace: lease.Ref{ID: p.Replaced}, Parent: lease.Ref{ID: p.Parent}, Successor: p.ReplacedBy, Actor: p.Actor, Reason: p.Reason,
		Created: p.Created, Granted: p.Granted, Deadline: p.Deadline, Updated: p.Updated,
	}
	err := r.Status.UnmarshalText([]byte(p.Status))
	e.Lease = r.Lease()
	return e, err
}
