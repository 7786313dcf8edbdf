package sqlitebackend

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// view implements [rules.View] on a transaction that only reads.
type view struct {
	store     *Store
	ctx       context.Context
	tx        bun.Tx
	row       func(into []any, query string, args ...any) error // reads the only row of a query
	before    uint64                                            // the newest token that was known before the view
	namespace int64
	counters  rules.Counters
}

// look reads from one view. It writes nothing and does not wait for writers.
// Errors are those of readFailed.
func (s *Store) look(ctx context.Context, doing string, read func(*view) error) error {
	before := s.newest.Load()
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return readFailed(ctx, doing, err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	v := &view{store: s, ctx: ctx, tx: tx, before: before, namespace: s.namespace}
	v.row = v.readRow
	if err := read(v); err != nil {
		return readFailed(ctx, doing, err)
	}
	return nil
}

const loadView = `SELECT k.seq, k.token, k.waiting, k.now, k.boot, k."offset", k.refused, c.config
	FROM lease_counters k JOIN lease_configs c USING (namespace) WHERE k.namespace = ?`

// Load implements [rules.View]. SQLite fixes the moment with the first that is
// read. What is read before the file is known to be the right one is not told to
// anybody.
func (v *view) Load() (rules.State, error) {
	var config []byte
	var o origin
	s, c := v.store, &v.counters
	at := s.clock.read()
	err := v.row([]any{&c.Seq, &c.Token, &c.Waiting, &c.Now, &o.boot, &o.at, &c.Refused, &config}, loadView, v.namespace)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return rules.State{}, errNamespaceGone
	case err != nil:
		return rules.State{}, err
	}
	if err := s.regressed(c.Token, v.before); err != nil {
		return rules.State{}, err
	}
	c.Refused += s.refused.Load()
	if o.boot != s.clock.id {
		o = s.clock.continued(c.Now, at)
	}
	state := rules.State{Counters: c}
	state.Clock, state.Dates = s.clock.state(o, at, c)
	if err := json.Unmarshal(config, &state.Config); err != nil {
		return rules.State{}, err
	}
	return state, s.db.Check()
}

func (v *view) readRow(into []any, query string, args ...any) error {
	return v.tx.Tx.QueryRowContext(v.ctx, query, args...).Scan(into...)
}

// readFailed is a read's error: the context's own if it has ended, since a
// driver may report its interruption in words of its own.
func readFailed(ctx context.Context, doing string, err error) error {
	switch {
	case errors.Is(err, lease.ErrInvalid), errors.Is(err, lease.ErrTrimmed), errors.Is(err, lease.ErrRegressed), errors.Is(err, lease.ErrClosed):
		return err
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	}
	return sqlitedb.Unavailable(doing, err)
}
