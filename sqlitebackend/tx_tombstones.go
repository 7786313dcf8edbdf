package sqlitebackend

// AddTombstone implements [rules.Tx]. Each removes two whose time is over, so that
// there are never many more than still matter.
func (t *transaction) AddTombstone(attempt string, until int64) error {
	if _, err := t.purgeTombstones(t.counters.Now, 2); err != nil {
		return err
	}
	_, err := t.change(`INSERT INTO lease_tombstones (namespace, attempt, until) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET until = excluded.until`, t.namespace, attempt, until)
	return err
}

// purgeTombstones removes up to limit whose time is over.
func (t *transaction) purgeTombstones(now int64, limit int) (int, error) {
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
