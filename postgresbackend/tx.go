package postgresbackend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/lease"
)

// transaction is a batch as the steps in it see it: it implements [rules.Tx].
// What it reads is in the files named tx_read and tx_overlap, what it writes in
// tx_write.
type transaction struct {
	ctx       context.Context
	conn      *pgx.Conn
	store     *Store
	namespace int32

	config   lease.Config
	counters rules.Counters // as the steps change them
	loaded   rules.Counters // as they were read
	ended    int            // rows of leases that have ended
	clock    time.Time      // the server's, of the round
	xid      string         // of the server
	before   string         // the transaction that wrote the counters that were read
	written  bool           // something else than the counters has changed

	known      known
	tombstones map[string]int64 // that are known; 0 for none
	buried     map[string]int64 // that are not written yet
	replaced   []*entry         // whose IDs others have taken
	events     []any            // that are not written yet: their rows' values
	mark       mark             // of the newest event
	newConfig  bool
	gone       map[string]bool // clients; nil: not looked at
	waits      bool            // this handle keeps a place

	notify []lease.ID // waiters of other processes
	woken  []lease.ID // by the step that runs
}

func newTransaction(ctx context.Context, conn *pgx.Conn, s *Store) *transaction {
	return &transaction{
		ctx: ctx, conn: conn, store: s, namespace: s.namespace,
		known: newKnown(), tombstones: map[string]int64{}, buried: map[string]int64{},
	}
}

// settings are those of each transaction. The statements are written for
// indexes; without statistics, or with old ones, the planner would rather look
// through a table.
const settings = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true),
	set_config('cpu_tuple_cost', '10', true), set_config('jit', 'off', true),
	set_config('plan_cache_mode', 'force_generic_plan', true), CASE WHEN $1 <> '' THEN set_config('synchronous_commit', $1, true) END`

const (
	// Whoever waits for a row begins to wait again when it has changed, and others
	// come before: this lock has a queue.
	takeTurn = `SELECT pg_advisory_xact_lock($1)`

	// Time is read after the lock: not by the same statement, which would read it
	// before it waits.
	lockCounters = `SELECT config_version, seq, token, arrivals, waiting, tombstones, subleases, now, refused, ended, xmin::text, ` + findMark + `
		FROM {}.lease_counters WHERE namespace = $1 FOR UPDATE`
	readClock = `SELECT clock_timestamp(), pg_current_xact_id()::xid::text`

	readConfig = `SELECT config FROM {}.lease_configs WHERE namespace = $1`
	saveConfig = `UPDATE {}.lease_configs SET version = $2, config = $3, updated_at = $4 WHERE namespace = $1`

	saveCounters = `UPDATE {}.lease_counters SET config_version = $2, seq = $3, token = $4, arrivals = $5, waiting = $6, tombstones = $7,
		subleases = $8, now = $9, refused = $10, ended = $11 WHERE namespace = $1`
)

// begin begins the transaction, locks the namespace, and reads ahead for these
// calls, in one round trip.
func (t *transaction) begin(calls []*groupcommit.Call[*transaction]) error {
	s := t.store
	before := s.seen()
	var b pgx.Batch
	b.Queue(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`)
	b.Queue(settings, string(s.options.SynchronousCommit))
	b.Queue(takeTurn, s.turn)
	last, carrying := s.carry(), false
	if last != nil && s.alone {
		t.known, carrying = last.known, true
	}
	var version uint64
	found := false
	var marked *string
	b.Queue(s.sql.lock, t.namespace, int64(before.seq)).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			found = true
			c := &t.counters
			err := rows.Scan(&version, &c.Seq, &c.Token, &c.Arrivals, &c.Waiting, &c.Tombstones, &c.Subleases, &c.Now, &c.Refused, &t.ended, &t.before, &marked)
			if err != nil {
				return err
			}
		}
		return rows.Err()
	})
	t.readClock(&b)
	t.readAhead(&b, calls)
	if err := t.send(&b); err != nil {
		return err
	}
	if !found {
		return unavailable("begin", errNamespaceGone)
	}
	if err := s.regressed(t.counters, marked, before); err != nil {
		return err
	}
	t.loaded = t.counters
	s.alone = last != nil && last.counters == t.counters && last.ended == t.ended && last.xid == t.before
	if carrying && !s.alone {
		t.known = newKnown()
		if err := t.reread(calls); err != nil {
			return err
		}
	}
	t.counters.Refused += s.refused.Load()
	s.contended.Store(t.counters.Waiting > 0)
	s.withdrawn.Store(t.counters.Tombstones > t.clock.UnixMilli())
	if known := s.config.Load(); known != nil && known.Version == version {
		t.config = *known
		return nil
	}
	return t.readConfig()
}

// reread reads ahead once more, since what was carried is not true any more.
func (t *transaction) reread(calls []*groupcommit.Call[*transaction]) error {
	var b pgx.Batch
	t.readAhead(&b, calls)
	return t.send(&b)
}

// round reads the clock and reads ahead for calls that have come since the last
// time: a lease begins at the earliest when its caller had asked.
func (t *transaction) round(calls []*groupcommit.Call[*transaction]) error {
	var b pgx.Batch
	t.readClock(&b)
	t.readAhead(&b, calls)
	return t.send(&b)
}

func (t *transaction) readClock(b *pgx.Batch) {
	b.Queue(readClock).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&t.clock, &t.xid)
		t.clock = t.store.options.clock(t.clock)
		return err
	})
}

// send sends statements in one round trip.
func (t *transaction) send(b *pgx.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	return t.conn.SendBatch(t.ctx, b).Close()
}

// readConfig reads the configuration. It is kept by its version, which only a
// commit makes known to others.
func (t *transaction) readConfig() error {
	var text []byte
	if err := t.conn.QueryRow(t.ctx, t.store.sql.readConfig, t.namespace).Scan(&text); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &t.config); err != nil {
		return err
	}
	known := t.config // a copy: SetConfig changes t.config, and may be rolled back
	t.store.config.Store(&known)
	return nil
}

// Load implements [rules.Tx].
func (t *transaction) Load() (rules.State, error) {
	t.counters.Now = t.store.passed(t.counters.Now, t.store.latest.Load(), t.clock)
	return rules.State{Counters: &t.counters, Config: t.config, Clock: t.clock, Client: t.store.asking()}, nil
}

// SetConfig implements [rules.Tx].
func (t *transaction) SetConfig(c lease.Config) error {
	t.config, t.newConfig, t.written = c, true, true
	return nil
}

// Notify implements [rules.Tx].
func (t *transaction) Notify(id lease.ID) { t.woken = append(t.woken, id) }

// commit writes what has changed and commits, in one round trip. An error that
// is an [*unknownError] leaves it open what has happened; after any other nothing
// has.
func (t *transaction) commit() error {
	if !t.written {
		// A refusal is no reason to write: what it counted is kept for the next
		// transaction that has one.
		t.store.refused.Store(t.counters.Refused - t.loaded.Refused)
		err := t.rollback()
		if err == nil {
			t.store.carried = t.known.carried(t.loaded, t.ended, t.before)
		}
		return err
	}
	var b pgx.Batch
	if err := t.flush(&b); err != nil {
		return err
	}
	t.enterClient(&b)
	if t.newConfig {
		text, err := json.Marshal(t.config)
		if err != nil {
			return err
		}
		b.Queue(t.store.sql.saveConfig, t.namespace, int64(t.config.Version), string(text), t.counters.Now)
	}
	c := t.counters
	b.Queue(t.store.sql.saveCounters, t.namespace, int64(t.config.Version), int64(c.Seq), int64(c.Token), c.Arrivals, c.Waiting, c.Tombstones,
		c.Subleases, c.Now, int64(c.Refused), t.ended)
	if len(t.notify) > 0 {
		ids := make([]string, len(t.notify))
		for i, id := range t.notify {
			ids[i] = string(id)
		}
		b.Queue(`SELECT pg_notify($1, id) FROM unnest($2::text[]) AS id`, t.store.channel, ids)
	}
	b.Queue(`COMMIT`)
	if err := t.sendCommit(&b); err != nil {
		return err
	}
	t.store.refused.Store(0)
	t.store.carried = t.known.carried(c, t.ended, t.xid)
	t.store.saw(c.Token)
	if t.waits {
		t.store.entered.Store(true)
	}
	if t.mark.seq > 0 {
		t.store.mark.Store(&t.mark)
	}
	return nil
}

// sendCommit sends statements whose last one is COMMIT.
func (t *transaction) sendCommit(b *pgx.Batch) error {
	results := t.conn.SendBatch(t.ctx, b)
	for i := range b.Len() {
		tag, err := results.Exec()
		last := i == b.Len()-1
		switch {
		case err != nil && (code(err) == "" || last && fatal(err)):
			return &unknownError{errors.Join(err, results.Close())}
		case err != nil:
			_ = results.Close() // says the same
			return err
		case last && tag.String() != "COMMIT":
			return errors.Join(fmt.Errorf("the server answered COMMIT with %q", tag), results.Close())
		}
	}
	_ = results.Close() // it is committed, whatever happens to the connection now
	return nil
}

// unknownError is a failure that leaves it open whether the transaction was
// committed.
type unknownError struct{ error }

// Unwrap returns the failure.
func (e *unknownError) Unwrap() error { return e.error }

// rollback ends the transaction without a trace.
func (t *transaction) rollback() error {
	_, err := t.conn.Exec(t.ctx, `ROLLBACK`)
	if err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

var _ rules.Tx = (*transaction)(nil)
