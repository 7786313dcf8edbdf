package sqlitebackend

import (
	"context"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/step"
)

// Sweep implements [backend.Store].
func (s *Store) Sweep(ctx context.Context, limit int) (backend.SweepReply, error) {
	return run(ctx, s, func(st *step.Step) (backend.SweepReply, error) { return st.Sweep(limit) })
}

// Due implements [step.Tx].
func (t *transaction) Due(now int64, limit int) ([]*step.Record, error) {
	return t.some(`SELECT `+columns+` FROM leases
		WHERE namespace = ? AND status IN ('pending', 'active') AND deadline <= ? ORDER BY deadline, arrival LIMIT ?`,
		t.namespace, now, limit)
}

// Forget implements [step.Tx].
func (t *transaction) Forget(before, now int64, keep, limit int) (int, error) {
	if _, err := t.change(`DELETE FROM lease_tombstones WHERE namespace = ? AND until <= ?`, t.namespace, now); err != nil {
		return 0, err
	}
	// The end before which what has ended is beyond the newest keep.
	var beyond int64
	found, err := t.get(`SELECT ended_at FROM leases WHERE namespace = ? AND ended_at > 0
		ORDER BY ended_at DESC LIMIT 1 OFFSET ?`, []any{t.namespace, keep}, &beyond)
	if err != nil {
		return 0, err
	}
	if !found {
		beyond = 0
	}
	return t.change(`DELETE FROM leases WHERE namespace = ?1 AND arrival IN (
		SELECT arrival FROM leases WHERE namespace = ?1 AND ended_at > 0 AND ended_at <= max(?2, ?3)
		ORDER BY ended_at, arrival LIMIT ?4)`, t.namespace, before, beyond, limit)
}
