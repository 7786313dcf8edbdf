package postgresbackend

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/claimkeys"
	"github.com/leasekit/leasekit/internal/rowtext"
	"github.com/leasekit/leasekit/lease"
)

// columns of leases, without the namespace, in the order of row.fields and
// appendInserted.
const columns = `arrival, id, holder, status, claims, labels, ttl, max_renewals, priority, distinct_,
	replace_id, replace_holder, replace_token, parent_id, parent_holder, parent_token, chain, client, attempts, key, created_at,
	end_reason, successor, actor, note, token, renewals, renew_op, granted_at, deadline, updated_at, ended_at`

// row is a row of leases.
type row struct {
	r                             rules.Record
	status, claims, labels, chain string
}

func (w *row) fields() []any {
	r := &w.r
	return []any{
		&r.Arrival, &r.ID, &r.Holder, &w.status, &w.claims, &w.labels, &r.TTL, &r.MaxRenewals, &r.Priority, &r.Distinct,
		&r.Replace.ID, &r.Replace.Holder, &r.Replace.Token, &r.Parent.ID, &r.Parent.Holder, &r.Parent.Token, &w.chain,
		&r.Client, &r.Attempts, &r.Key, &r.Created,
		&r.EndReason, &r.Successor, &r.Actor, &r.Reason, &r.Token, &r.Renewals, &r.RenewOp, &r.Granted, &r.Deadline, &r.Updated, &r.Ended,
	}
}

// record returns a copy of the row as the steps see it.
func (w *row) record() (*rules.Record, error) {
	r := w.r
	r.Labels, r.Chain = nil, nil
	var err error
	if r.Claims, err = rowtext.ReadClaims(w.claims); err == nil {
		err = r.Status.UnmarshalText([]byte(w.status))
	}
	if err == nil && w.labels != "" {
		err = json.Unmarshal([]byte(w.labels), &r.Labels)
	}
	if err == nil && w.chain != "" {
		err = json.Unmarshal([]byte(w.chain), &r.Chain)
	}
	return &r, err
}

// readRecords reads rows of columns.
func readRecords(rows pgx.Rows) ([]*rules.Record, error) {
	var found []*rules.Record
	var w row
	fields := w.fields() // all of them are set by each scan
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			return nil, err
		}
		r, err := w.record()
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

// table says how rows are written to a table, many with one statement. A statement
// of its own would be needed for each number of rows, so there are those for 32
// rows, 16, ... and 1.
type table struct {
	texts [6]string // for 1 << i rows
	width int       // of a row
}

// newTable returns a table's statements: text is that with VALUES where @ stands.
// Of the first row each value has its type.
func newTable(text string, types ...string) table {
	t := table{width: len(types)}
	for i := range t.texts {
		var b strings.Builder
		n := 0
		for r := range 1 << i {
			for c, as := range types {
				n++
				switch {
				case c > 0:
					b.WriteString(`, `)
				case r > 0:
					b.WriteString(`), (`)
				}
				b.WriteString(`$` + strconv.Itoa(n))
				if r == 0 {
					b.WriteString(`::` + as)
				}
			}
		}
		t.texts[i] = strings.ReplaceAll(text, `@`, `(VALUES (`+b.String()+`))`)
	}
	return t
}

// write queues the statements for rows, value by value.
func (t *table) write(b *pgx.Batch, values []any) {
	for i := len(t.texts) - 1; i >= 0; i-- {
		for n := t.width << i; len(values) >= n; values = values[n:] {
			b.Queue(t.texts[i], values[:n:n]...)
		}
	}
}

const insertLeases = `INSERT INTO {}.leases (namespace, ` + columns + `) SELECT * FROM @ AS v`

var leaseTypes = strings.Fields(`integer bigint text text text text text bigint bigint bigint boolean
	text text bigint text text bigint text text text bigint bigint
	text text text text bigint bigint text bigint bigint bigint bigint`)

// appendInserted appends a record as insertLeases wants it.
func appendInserted(values []any, namespace int32, r *rules.Record) ([]any, error) {
	labels, err := rowtext.Text(r.Labels, len(r.Labels) == 0)
	if err != nil {
		return nil, err
	}
	chain, err := rowtext.Text(r.Chain, len(r.Chain) == 0)
	return append(values, namespace, r.Arrival, string(r.ID), r.Holder, r.Status.String(), string(rowtext.AppendClaims(nil, r.Claims)), labels,
		r.TTL, int64(r.MaxRenewals), int64(r.Priority), r.Distinct,
		string(r.Replace.ID), r.Replace.Holder, int64(r.Replace.Token), string(r.Parent.ID), r.Parent.Holder, int64(r.Parent.Token), chain,
		r.Client, r.Attempts, r.Key, r.Created,
		string(r.EndReason), string(r.Successor), r.Actor, r.Reason, int64(r.Token), int64(r.Renewals), r.RenewOp,
		r.Granted, r.Deadline, r.Updated, r.Ended), err
}

const updateLeases = `UPDATE {}.leases AS l SET
		status = u.status, client = u.client, attempts = u.attempts, end_reason = u.end_reason, successor = u.successor, actor = u.actor, note = u.note,
		token = u.token, renewals = u.renewals, renew_op = u.renew_op, granted_at = u.granted_at, deadline = u.deadline,
		updated_at = u.updated_at, ended_at = u.ended_at
	FROM @ AS u(arrival, status, client, attempts, end_reason, successor, actor, note, token, renewals, renew_op, granted_at, deadline, updated_at, ended_at)
	WHERE l.arrival = u.arrival`

var updatedTypes = strings.Fields(`bigint text text text text text text text bigint bigint text bigint bigint bigint bigint`)

// appendUpdated appends what can have changed of a record, as updateLeases wants
// it.
func appendUpdated(values []any, r *rules.Record) []any {
	return append(values, r.Arrival, r.Status.String(), r.Client, r.Attempts, string(r.EndReason), string(r.Successor), r.Actor, r.Reason,
		int64(r.Token), int64(r.Renewals), r.RenewOp, r.Granted, r.Deadline, r.Updated, r.Ended)
}

const (
	insertClaims = `INSERT INTO {}.lease_claims (path, kind, waiting, key, arrival, holder) SELECT * FROM @ AS v`
	deleteClaims = `DELETE FROM {}.lease_claims AS c USING @ AS u(path, kind, waiting, key, arrival)
		WHERE c.path = u.path COLLATE "C" AND c.kind = u.kind AND c.waiting = u.waiting AND c.key = u.key AND c.arrival = u.arrival`

	insertChains = `INSERT INTO {}.lease_chains (member, namespace, waiting, arrival) SELECT * FROM @ AS v`
	deleteChains = `DELETE FROM {}.lease_chains AS c USING @ AS u(member, namespace, waiting, arrival)
		WHERE c.member = u.member COLLATE "C" AND c.namespace = u.namespace AND c.waiting = u.waiting AND c.arrival = u.arrival`
)

var (
	claimTypes = strings.Fields(`text smallint smallint bigint bigint text`)
	chainTypes = strings.Fields(`text integer smallint bigint`)
)

// appendClaims appends the keys of the record's claims, as those of a waiter or
// of a lease, with the holder where they are inserted.
func appendClaims(values []any, namespace int32, r *rules.Record, status lease.Status, withHolder bool) []any {
	waiting, key := claimed(status, r.Key)
	for _, claim := range r.Claims {
		values = append(values, pathKey(namespace, claim.Path), int16(claimkeys.Kind(claim)), waiting, key, r.Arrival)
		if withHolder {
			values = append(values, r.Holder)
		}
	}
	return values
}

func appendChain(values []any, namespace int32, r *rules.Record, status lease.Status) []any {
	waiting, _ := claimed(status, 0)
	for _, member := range r.Chain {
		values = append(values, string(member), namespace, waiting, r.Arrival)
	}
	return values
}

// claimed returns the columns of a claim's key that say whose it is.
func claimed(status lease.Status, key int64) (waiting int16, at int64) {
	if status == lease.Pending {
		return 1, key
	}
	return 0, 0
}
