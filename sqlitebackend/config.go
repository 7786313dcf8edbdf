package sqlitebackend

import (
	"context"
	"encoding/json"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

const readConfig = `SELECT config FROM lease_configs WHERE namespace = ?`

// Config implements [backend.Store].
func (s *Store) Config(ctx context.Context) (lease.Config, error) {
	var text []byte
	err := s.reader.DB.QueryRowContext(ctx, readConfig, s.namespace).Scan(&text)
	if err != nil {
		return lease.Config{}, readFailed(ctx, "config", err)
	}
	var c lease.Config
	if err := json.Unmarshal(text, &c); err != nil {
		return lease.Config{}, sqlitedb.Unavailable("config", err)
	}
	return c, nil
}

// SetConfig implements [backend.Store].
func (s *Store) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	return run(ctx, s, "", func(st *rules.Step) (lease.Config, error) { return st.SetConfig(c) })
}

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

var _ rules.Tx = (*transaction)(nil)
