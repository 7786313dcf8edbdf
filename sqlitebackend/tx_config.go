package sqlitebackend

import (
	"encoding/json"

	"github.com/leasekit/leasekit/lease"
)

const readConfig = `SELECT config FROM lease_configs WHERE namespace = ?`

// SetConfig implements [rules.Tx].
func (t *transaction) SetConfig(c lease.Config) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = t.change(`UPDATE lease_configs SET version = ?, config = ?, updated_at = ? WHERE namespace = ?`,
		c.Version, string(text), t.counters.Now, t.namespace)
	t.config = c
	return err
}

// readConfig reads the configuration within the transaction. It is kept by its
// version, which only a commit makes known to others.
func (t *transaction) readConfig() error {
	var text []byte
	if _, err := t.Get(readConfig, []any{t.namespace}, &text); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &t.config); err != nil {
		return err
	}
	known := t.config // a copy: SetConfig changes t.config, and may be rolled back
	t.store.config.Store(&known)
	return nil
}
