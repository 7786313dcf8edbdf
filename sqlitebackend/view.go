package sqlitebackend

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// view is the namespace at one moment, for reading: what is read through one
// view belongs together, while others go on writing. It implements what
// [rules.Contend] asks for.
type view struct {
	ctx       context.Context
	tx        bun.Tx
	namespace int64
	counters  rules.Counters
	config    lease.Config
	now       int64         // the store's clock, ms
	dates     time.Duration // what is added to it for people
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
	v := &view{ctx: ctx, tx: tx, namespace: s.namespace}
	if err = v.load(s, before, v.row); err == nil {
		err = s.db.Check()
	}
	if err == nil {
		err = read(v)
	}
	if err != nil {
		return readFailed(ctx, doing, err)
	}
	return nil
}

const loadView = `SELECT k.seq, k.token, k.waiting, k.now, k.boot, k."offset", k.refused, c.config
	FROM lease_counters k JOIN lease_configs c USING (namespace) WHERE k.namespace = ?`

func (v *view) load(s *Store, before uint64, row func(into []any, query string, args ...any) error) error {
	var config []byte
	var read origin
	c := &v.counters
	err := row([]any{&c.Seq, &c.Token, &c.Waiting, &c.Now, &read.boot, &read.at, &c.Refused, &config}, loadView, v.namespace)
	if errors.Is(err, sql.ErrNoRows) {
		return errNamespaceGone
	}
	if err != nil {
		return err
	}
	if err := s.regressed(c.Token, before); err != nil {
		return err
	}
	clock, dates := s.clock.state(s.clock.current(read, c.Now), c)
	v.now, v.dates = max(clock.UnixMilli(), c.Now), dates
	return json.Unmarshal(config, &v.config)
}

// shown returns a moment of the store's clock as people see it.
func (v *view) shown(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.Add(v.dates)
}

// shownLease returns a lease with its dates as people see them.
func (v *view) shownLease(l lease.Lease) lease.Lease {
	if v.dates != 0 {
		for _, at := range []*time.Time{&l.CreatedAt, &l.GrantedAt, &l.ExpiresAt, &l.UpdatedAt, &l.Contention.Since} {
			*at = v.shown(*at)
		}
	}
	return l
}

// row reads the only row of a query with bound arguments.
func (v *view) row(into []any, query string, args ...any) error {
	return v.tx.Tx.QueryRowContext(v.ctx, query, args...).Scan(into...)
}

// readFailed is a read's error: the context's own if it has ended, since a
// driver may report its interruption in words of its own.
func readFailed(ctx context.Context, doing string, err error) error {
	switch {
	case errors.Is(err, lease.ErrTrimmed), errors.Is(err, lease.ErrRegressed), errors.Is(err, lease.ErrClosed):
		return err
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	}
	return sqlitedb.Unavailable(doing, err)
}
