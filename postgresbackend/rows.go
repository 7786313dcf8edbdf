package postgresbackend

import (
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/rowtext"
	"github.com/leasekit/leasekit/lease"
)

// columns of leases, without the namespace, in the order of row.fields and
// inserted.add.
const columns = `arrival, id, holder, status, claims, labels, ttl, max_renewals, priority, distinct_,
	replace_id, replace_holder, replace_token, parent_id, parent_holder, parent_token, chain, attempts, key, created_at,
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
		&r.Attempts, &r.Key, &r.Created,
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

// inserted are records that are written, column by column.
type inserted struct {
	arrival, ttl, maxRenewals, priority, replaceToken, parentToken, key, created []int64
	token, renewals, granted, deadline, updated, ended                           []int64
	distinct                                                                     []bool
	id, holder, status, claims, labels, replaceID, replaceHolder                 []string
	parentID, parentHolder, chain, attempts                                      []string
	endReason, successor, actor, note, renewOp                                   []string
}

func (w *inserted) add(r *rules.Record) error {
	labels, err := rowtext.Text(r.Labels, len(r.Labels) == 0)
	if err != nil {
		return err
	}
	chain, err := rowtext.Text(r.Chain, len(r.Chain) == 0)
	if err != nil {
		return err
	}
	w.claims, w.labels, w.chain = append(w.claims, string(rowtext.AppendClaims(nil, r.Claims))), append(w.labels, labels), append(w.chain, chain)
	w.arrival, w.id, w.holder = append(w.arrival, r.Arrival), append(w.id, string(r.ID)), append(w.holder, r.Holder)
	w.status, w.ttl = append(w.status, r.Status.String()), append(w.ttl, r.TTL)
	w.maxRenewals, w.priority, w.distinct = append(w.maxRenewals, int64(r.MaxRenewals)), append(w.priority, int64(r.Priority)), append(w.distinct, r.Distinct)
	w.replaceID, w.replaceHolder = append(w.replaceID, string(r.Replace.ID)), append(w.replaceHolder, r.Replace.Holder)
	w.parentID, w.parentHolder = append(w.parentID, string(r.Parent.ID)), append(w.parentHolder, r.Parent.Holder)
	w.replaceToken, w.parentToken = append(w.replaceToken, int64(r.Replace.Token)), append(w.parentToken, int64(r.Parent.Token))
	w.attempts, w.key, w.created = append(w.attempts, r.Attempts), append(w.key, r.Key), append(w.created, r.Created)
	w.endReason, w.successor = append(w.endReason, string(r.EndReason)), append(w.successor, string(r.Successor))
	w.actor, w.note, w.renewOp = append(w.actor, r.Actor), append(w.note, r.Reason), append(w.renewOp, r.RenewOp)
	w.token, w.renewals, w.granted = append(w.token, int64(r.Token)), append(w.renewals, int64(r.Renewals)), append(w.granted, r.Granted)
	w.deadline, w.updated, w.ended = append(w.deadline, r.Deadline), append(w.updated, r.Updated), append(w.ended, r.Ended)
	return nil
}

const insertLeases = `INSERT INTO {}.leases (namespace, ` + columns + `) SELECT $1::integer, * FROM unnest(
	$2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[],
	$12::text[], $13::text[], $14::bigint[], $15::text[], $16::text[], $17::bigint[], $18::text[], $19::text[], $20::bigint[], $21::bigint[],
	$22::text[], $23::text[], $24::text[], $25::text[], $26::bigint[], $27::bigint[], $28::text[], $29::bigint[], $30::bigint[], $31::bigint[], $32::bigint[])`

func (w *inserted) args(namespace int32) []any {
	return []any{
		namespace, w.arrival, w.id, w.holder, w.status, w.claims, w.labels, w.ttl, w.maxRenewals, w.priority, w.distinct,
		w.replaceID, w.replaceHolder, w.replaceToken, w.parentID, w.parentHolder, w.parentToken, w.chain, w.attempts, w.key, w.created,
		w.endReason, w.successor, w.actor, w.note, w.token, w.renewals, w.renewOp, w.granted, w.deadline, w.updated, w.ended,
	}
}

// updated are records that are written back: what can have changed of them.
type updated struct {
	arrival, token, renewals, granted, deadline, updated, ended  []int64
	status, attempts, endReason, successor, actor, note, renewOp []string
}

func (w *updated) add(r *rules.Record) {
	w.arrival, w.status, w.attempts = append(w.arrival, r.Arrival), append(w.status, r.Status.String()), append(w.attempts, r.Attempts)
	w.endReason, w.successor = append(w.endReason, string(r.EndReason)), append(w.successor, string(r.Successor))
	w.actor, w.note, w.renewOp = append(w.actor, r.Actor), append(w.note, r.Reason), append(w.renewOp, r.RenewOp)
	w.token, w.renewals, w.granted = append(w.token, int64(r.Token)), append(w.renewals, int64(r.Renewals)), append(w.granted, r.Granted)
	w.deadline, w.updated, w.ended = append(w.deadline, r.Deadline), append(w.updated, r.Updated), append(w.ended, r.Ended)
}

const updateLeases = `UPDATE {}.leases AS l SET
		status = u.status, attempts = u.attempts, end_reason = u.end_reason, successor = u.successor, actor = u.actor, note = u.note,
		token = u.token, renewals = u.renewals, renew_op = u.renew_op, granted_at = u.granted_at, deadline = u.deadline,
		updated_at = u.updated_at, ended_at = u.ended_at
	FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
		$9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[])
		AS u(arrival, status, attempts, end_reason, successor, actor, note, token, renewals, renew_op, granted_at, deadline, updated_at, ended_at)
	WHERE l.namespace = $1 AND l.arrival = u.arrival`

func (w *updated) args(namespace int32) []any {
	return []any{
		namespace, w.arrival, w.status, w.attempts, w.endReason, w.successor, w.actor, w.note,
		w.token, w.renewals, w.renewOp, w.granted, w.deadline, w.updated, w.ended,
	}
}

// claimRows are rows of lease_claims.
type claimRows struct {
	path, holder  []string
	kind, waiting []int16
	key, arrival  []int64
}

const (
	insertClaims = `INSERT INTO {}.lease_claims (namespace, path, kind, waiting, key, arrival, holder)
		SELECT $1::integer, * FROM unnest($2::text[], $3::smallint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::text[])`
	deleteClaims = `DELETE FROM {}.lease_claims AS c USING unnest($2::text[], $3::smallint[], $4::smallint[], $5::bigint[], $6::bigint[])
			AS u(path, kind, waiting, key, arrival)
		WHERE c.namespace = $1 AND c.path = u.path COLLATE "C" AND c.kind = u.kind AND c.waiting = u.waiting AND c.key = u.key AND c.arrival = u.arrival`
)

// chainRows are rows of lease_chains.
type chainRows struct {
	member  []string
	waiting []int16
	arrival []int64
}

const (
	insertChains = `INSERT INTO {}.lease_chains (namespace, member, waiting, arrival)
		SELECT $1::integer, * FROM unnest($2::text[], $3::smallint[], $4::bigint[])`
	deleteChains = `DELETE FROM {}.lease_chains AS c USING unnest($2::text[], $3::smallint[], $4::bigint[]) AS u(member, waiting, arrival)
		WHERE c.namespace = $1 AND c.member = u.member COLLATE "C" AND c.waiting = u.waiting AND c.arrival = u.arrival`
)

// claimed returns the columns of a claim's key that say whose it is.
func claimed(status lease.Status, key int64) (waiting int16, at int64) {
	if status == lease.Pending {
		return 1, key
	}
	return 0, 0
}
