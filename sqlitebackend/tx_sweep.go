package sqlitebackend

import "github.com/leasekit/leasekit/backend/rules"

// Due implements [rules.Tx].
func (t *transaction) Due(now int64, limit int) ([]*rules.Record, error) {
	return t.some(`FROM leases INDEXED BY leases_deadline
		WHERE namespace = ? AND ended_at = 0 AND deadline <= ? ORDER BY deadline, arrival LIMIT ?`,
		t.namespace, now, limit)
}

// Forget implements [rules.Tx].
func (t *transaction) Forget(f rules.Forget) (int, error) {
	if _, err := t.purgeTombstones(f.Now, f.Limit); err != nil {
		return 0, err
	}
	const oldest = `DELETE FROM leases WHERE arrival IN (
		SELECT arrival FROM leases INDEXED BY leases_ended WHERE namespace = ?1 AND ended_at > 0 AND ended_at <= ?2 ORDER BY ended_at, arrival LIMIT ?3)`
	clear(t.found)
	n, err := t.change(oldest, t.namespace, f.Before, f.Limit)
	t.ended -= n
	if beyond := min(t.ended-f.Keep, f.Limit-n); err == nil && beyond > 0 {
		var more int
		more, err = t.change(oldest, t.namespace, f.Spare, beyond)
		t.ended -= more
		n += more
	}
	return n, err
}
