package sqlitebackend

import (
	"database/sql"
	"encoding/json"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/rowtext"
	"github.com/leasekit/leasekit/lease"
)

// row is a row of leases.
type row struct {
	bun.BaseModel `bun:"table:leases"`

	Arrival       int64          `bun:"arrival"`
	ID            lease.ID       `bun:"id"`
	Holder        string         `bun:"holder"`
	Status        string         `bun:"status"`
	Claims        string         `bun:"claims,type:text"`
	Labels        sql.NullString `bun:"labels"`
	TTL           int64          `bun:"ttl"`
	MaxRenewals   int            `bun:"max_renewals"`
	Priority      int            `bun:"priority"`
	Distinct      bool           `bun:"distinct_"`
	ReplaceID     sql.NullString `bun:"replace_id"`
	ReplaceHolder sql.NullString `bun:"replace_holder"`
	ReplaceToken  int64          `bun:"replace_token"`
	ParentID      sql.NullString `bun:"parent_id"`
	ParentHolder  sql.NullString `bun:"parent_holder"`
	ParentToken   sql.NullInt64  `bun:"parent_token"`
	Chain         sql.NullString `bun:"chain"`
	Client        sql.NullString `bun:"client"`
	Attempts      string         `bun:"attempts"`
	Key           int64          `bun:"key"`
	Created       int64          `bun:"created_at"`
	EndReason     sql.NullString `bun:"end_reason"`
	Successor     sql.NullString `bun:"successor"`
	Actor         sql.NullString `bun:"actor"`
	Reason        sql.NullString `bun:"note"`
	Token         int64          `bun:"token"`
	Renewals      int            `bun:"renewals"`
	RenewOp       sql.NullString `bun:"renew_op"`
	Granted       int64          `bun:"granted_at"`
	Deadline      int64          `bun:"deadline"`
	Updated       int64          `bun:"updated_at"`
	Ended         int64          `bun:"ended_at"`
}

// columns are those of a row, in the order of fields.
const columns = `arrival, id, holder, status, claims, labels, ttl, max_renewals, priority, distinct_,
	replace_id, replace_holder, replace_token, parent_id, parent_holder, parent_token, chain, client, attempts, key, created_at,
	end_reason, successor, actor, note, token, renewals, renew_op, granted_at, deadline, updated_at, ended_at`

// selected are the columns as the writer reads them: as expressions without a
// name. The driver would make a string of each one's name and type for every
// query, which is as much garbage as the row itself.
var selected = unnamed(columns)

func unnamed(columns string) string {
	names := strings.Split(columns, ",")
	for i, name := range names {
		names[i] = `+` + strings.TrimSpace(name) + ` AS ""`
	}
	return strings.Join(names, ", ")
}

func (w *row) fields() []any {
	return []any{&w.Arrival, &w.ID, &w.Holder, &w.Status, &w.Claims, &w.Labels, &w.TTL, &w.MaxRenewals, &w.Priority, &w.Distinct,
		&w.ReplaceID, &w.ReplaceHolder, &w.ReplaceToken, &w.ParentID, &w.ParentHolder, &w.ParentToken, &w.Chain, &w.Client,
		&w.Attempts, &w.Key, &w.Created,
		&w.EndReason, &w.Successor, &w.Actor, &w.Reason, &w.Token, &w.Renewals, &w.RenewOp, &w.Granted, &w.Deadline, &w.Updated, &w.Ended}
}

// record returns the row as the steps see it.
func (w *row) record() (*rules.Record, error) {
	r := &rules.Record{
		ID: w.ID, Holder: w.Holder, TTL: w.TTL, MaxRenewals: w.MaxRenewals, Priority: w.Priority, Distinct: w.Distinct,
		Replace:  lease.Ref{ID: lease.ID(w.ReplaceID.String), Holder: w.ReplaceHolder.String, Token: lease.Token(w.ReplaceToken)},
		Parent:   lease.Ref{ID: lease.ID(w.ParentID.String), Holder: w.ParentHolder.String, Token: lease.Token(w.ParentToken.Int64)},
		Client:   w.Client.String,
		Attempts: w.Attempts, Arrival: w.Arrival, Key: w.Key,
		EndReason: lease.EndReason(w.EndReason.String), Successor: lease.ID(w.Successor.String),
		Actor: w.Actor.String, Reason: w.Reason.String,
		Token: lease.Token(w.Token), Renewals: w.Renewals, RenewOp: w.RenewOp.String,
		Created: w.Created, Granted: w.Granted, Deadline: w.Deadline, Updated: w.Updated, Ended: w.Ended,
	}
	var err error
	if r.Claims, err = rowtext.ReadClaims(w.Claims); err == nil {
		err = r.Status.UnmarshalText([]byte(w.Status))
	}
	if err == nil && w.Labels.Valid {
		err = json.Unmarshal([]byte(w.Labels.String), &r.Labels)
	}
	if err == nil && w.Chain.Valid {
		err = json.Unmarshal([]byte(w.Chain.String), &r.Chain)
	}
	return r, err
}

// some returns the records that a query selects: what follows its columns.
func (t *transaction) some(from string, args ...any) ([]*rules.Record, error) {
	query, known := t.store.queries[from]
	if !known {
		query = `SELECT ` + selected + ` ` + from
		t.store.queries[from] = query
	}
	var found []*rules.Record
	w, fields := &t.store.room.row, t.store.room.fields // all of them are set by each scan
	err := t.Each(query, args, func(scan func(...any) error) error {
		if err := scan(fields...); err != nil {
			return err
		}
		r, err := w.record()
		found = append(found, r)
		return err
	})
	return found, err
}

// records returns the records with these arrivals, by arrival.
func (t *transaction) records(arrivals []int64) ([]*rules.Record, error) {
	const query = `FROM leases WHERE arrival `
	switch len(arrivals) {
	case 0:
		return nil, nil
	case 1:
		return t.some(query+`= ?`, arrivals[0])
	}
	list, err := json.Marshal(arrivals)
	if err != nil {
		return nil, err
	}
	return t.some(query+`IN (SELECT value FROM json_each(?)) ORDER BY arrival`, string(list))
}

// LeasesOf implements [rules.Tx].
func (t *transaction) LeasesOf(holder string, limit int) ([]*rules.Record, error) {
	return t.some(`FROM leases INDEXED BY leases_holder
		WHERE namespace = ? AND holder = ? AND ended_at = 0 AND status = 'active' ORDER BY arrival LIMIT ?`,
		t.namespace, holder, limit)
}

// WaitersOf implements [rules.Tx].
func (t *transaction) WaitersOf(holder string, limit int) ([]*rules.Record, error) {
	if t.counters.Waiting == 0 {
		return nil, nil
	}
	return t.some(`FROM leases INDEXED BY leases_holder
		WHERE namespace = ? AND holder = ? AND ended_at = 0 AND status = 'pending' ORDER BY key, arrival LIMIT ?`,
		t.namespace, holder, limit)
}

// Dependents implements [rules.Tx].
func (t *transaction) Dependents(id lease.ID, limit int) ([]*rules.Record, error) {
	found, err := t.some(`FROM leases INDEXED BY leases_replace
		WHERE namespace = ? AND replace_id = ? AND ended_at = 0 AND status = 'pending' ORDER BY key, arrival LIMIT ?`,
		t.namespace, id, limit)
	if err != nil || t.counters.Subleases == 0 {
		return found, err
	}
	under, err := t.some(`FROM leases INDEXED BY leases_parent
		WHERE namespace = ? AND parent_id = ? AND ended_at = 0 AND status = 'pending' ORDER BY key, arrival LIMIT ?`,
		t.namespace, id, limit)
	found = append(found, under...) // nothing replaces its own parent
	slices.SortFunc(found, func(a, b *rules.Record) int { return a.Place().Compare(b.Place()) })
	return found[:min(len(found), limit)], err
}

// Chained implements [rules.Tx].
func (t *transaction) Chained(id lease.ID, status lease.Status, limit int) ([]*rules.Record, error) {
	waiting, _ := claimed(status, 0)
	return t.some(`FROM leases WHERE arrival IN (
			SELECT arrival FROM lease_chains WHERE namespace = ? AND member = ? AND waiting = ? ORDER BY arrival LIMIT ?)
		ORDER BY arrival`, t.namespace, id, waiting, limit)
}

// Count implements [rules.Tx].
func (t *transaction) Count(holder string, now int64) (n int, err error) {
	_, err = t.Get(`SELECT count(*) FROM leases INDEXED BY leases_holder
		WHERE namespace = ? AND holder = ? AND ended_at = 0 AND deadline > ?`, []any{t.namespace, holder, now}, &n)
	return n, err
}

// Put implements [rules.Tx].
func (t *transaction) Put(r *rules.Record) error {
	delete(t.found, r.ID)
	t.remember(r.ID)
	t.noteClient(r)
	labels, err := jsonText(r.Labels, len(r.Labels) == 0)
	if err != nil {
		return err
	}
	chain, err := jsonText(r.Chain, len(r.Chain) == 0)
	if err != nil {
		return err
	}
	room := &t.store.room
	room.text = rowtext.AppendClaims(room.text[:0], r.Claims)
	number := room.number
	room.values = append(room.values[:0], t.namespace, number(r.Arrival), string(r.ID), r.Holder, r.Status == lease.Pending, string(room.text), labels, number(r.TTL), r.MaxRenewals,
		r.Priority, r.Distinct, text(r.Replace.ID), text(r.Replace.Holder), int64(r.Replace.Token),
		text(r.Parent.ID), text(r.Parent.Holder), int64(r.Parent.Token), chain, text(r.Client), r.Attempts, number(r.Key), number(r.Created),
		text(r.EndReason), text(r.Successor), text(r.Actor), text(r.Reason), number(int64(r.Token)), r.Renewals, text(r.RenewOp),
		number(r.Granted), r.Deadline, number(r.Updated), r.Ended)
	const insert = `INSERT INTO leases (namespace, ` + columns + `)
		VALUES (?, ?, ?, ?, iif(?, 'pending', 'active'), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (namespace, id) DO NOTHING`
	n, err := t.change(insert, room.values...)
	if err == nil && n == 0 {
		// The ID was asked for before and withdrawn, or is forgotten: what has
		// ended has no claims any more.
		if n, err = t.change(`DELETE FROM leases WHERE namespace = ? AND id = ?`, t.namespace, string(r.ID)); err == nil {
			t.ended -= n
			_, err = t.change(insert, room.values...)
		}
	}
	if err != nil {
		return err
	}
	return t.claim(r)
}

// Update implements [rules.Tx]. Each statement writes only what such a change
// can have changed: every column that an index has costs one.
func (t *transaction) Update(r *rules.Record, was lease.Status) error {
	delete(t.found, r.ID)
	number := t.store.room.number
	if was == r.Status {
		t.noteClient(r)
		_, err := t.change(`UPDATE leases SET attempts = ?, client = ?, renewals = ?, renew_op = ?, deadline = ?, updated_at = ?
			WHERE arrival = ?`,
			r.Attempts, text(r.Client), r.Renewals, text(r.RenewOp), r.Deadline, number(r.Updated), number(r.Arrival))
		return err
	}
	if err := t.unclaim(r, was); err != nil {
		return err
	}
	if r.Status == lease.Active {
		_, err := t.change(`UPDATE leases SET status = 'active', attempts = ?, token = ?, granted_at = ?, deadline = ?, updated_at = ?
			WHERE arrival = ?`,
			r.Attempts, number(int64(r.Token)), number(r.Granted), r.Deadline, number(r.Updated), number(r.Arrival))
		if err != nil {
			return err
		}
		return t.claim(r)
	}
	t.ended++
	_, err := t.change(`UPDATE leases SET status = ?, attempts = ?, end_reason = ?, successor = ?, actor = ?, note = ?,
		renew_op = ?, deadline = ?, updated_at = ?, ended_at = ? WHERE arrival = ?`,
		r.Status.String(), r.Attempts, text(r.EndReason), text(r.Successor), text(r.Actor), text(r.Reason),
		text(r.RenewOp), r.Deadline, number(r.Updated), number(r.Ended), number(r.Arrival))
	return err
}

// Relabel implements [rules.Tx].
func (t *transaction) Relabel(r *rules.Record) error {
	labels, err := jsonText(r.Labels, len(r.Labels) == 0)
	if err != nil {
		return err
	}
	if _, err := t.change(`UPDATE leases SET labels = ? WHERE arrival = ?`, labels, r.Arrival); err != nil {
		return err
	}
	return t.Update(r, r.Status)
}

// text is a string as a column: NULL where it is empty.
func text[T ~string](s T) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// EndedAt implements [rules.Tx].
func (t *transaction) EndedAt(moment int64) ([]*rules.Record, error) {
	return t.some(`FROM leases INDEXED BY leases_ended
		WHERE namespace = ? AND ended_at > 0 AND ended_at = ? ORDER BY arrival`, t.namespace, moment)
}

// Select implements [rules.Tx].
func (t *transaction) Select(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	f := selection(q, t.namespace)
	if len(q.Status) == 1 {
		f.add(` AND status = ?`, q.Status[0].String())
	}
	f.addPage(t.namespace, after)
	f.add(` ORDER BY arrival LIMIT ?`, limit)
	return t.some(`FROM `+f.from+` WHERE `+f.text.String(), f.args...)
}
