package sqlitebackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Release implements [backend.Store].
func (s *Store) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return run(ctx, s, sqlitedb.Call{Subject: a.Ref.ID, Urgent: true}, func(st *rules.Step) (backend.ReleaseReply, error) { return st.Release(a) })
}

// Withdraw implements [backend.Store].
func (s *Store) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	return run(ctx, s, sqlitedb.Call{Subject: a.ID, Urgent: true}, func(st *rules.Step) (backend.WithdrawReply, error) { return st.Withdraw(a) })
}

// Force implements [backend.Store].
func (s *Store) Force(ctx context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return run(ctx, s, sqlitedb.Call{}, func(st *rules.Step) (backend.ForceReply, error) { return st.Force(a) })
}

// AddTombstone implements [rules.Tx]. Each burial clears away two whose time is over, so
// that there are never many more than still matter.
func (t *transaction) AddTombstone(attempt string, until int64) error {
	if _, err := t.exhume(t.counters.Now, 2); err != nil {
		return err
	}
	_, err := t.change(`INSERT INTO lease_tombstones (namespace, attempt, until) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET until = excluded.until`, t.namespace, attempt, until)
	return err
}

// exhume removes up to limit buried attempts whose time is over.
func (t *transaction) exhume(now int64, limit int) (int, error) {
	return t.change(`DELETE FROM lease_tombstones WHERE namespace = ?1 AND attempt IN (
		SELECT attempt FROM lease_tombstones WHERE namespace = ?1 AND until <= ?2 ORDER BY until LIMIT ?3)`,
		t.namespace, now, limit)
}

// Tombstone implements [rules.Tx].
func (t *transaction) Tombstone(attempt string) (until int64, err error) {
	_, err = t.Get(`SELECT until FROM lease_tombstones WHERE namespace = ? AND attempt = ?`,
		[]any{t.namespace, attempt}, &until)
	return until, err
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
