package postgresbackend

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/internal/hints"
	"github.com/leasekit/leasekit/lease"
)

// Store keeps one namespace of a database. It is safe for concurrent use.
type Store struct {
	db        *bun.DB
	own       bool // the pool is ours to close
	database  string
	options   Options
	sql       statements
	namespace int32
	queue     *groupcommit.Queue[*transaction]

	// Of who has the queue's turn:
	gathered int      // operations of the batch before
	carried  *carried // nil if it is not known what the batch before has left
	alone    bool     // nobody else has committed between the two batches before

	waiters  *hints.Hub // of this process
	channel  string     // of hints between processes
	turn     int64      // the advisory lock of who has the turn
	listener listener
	watch    watch

	client  string // what others know this handle by; "" if they never know whether it lives
	session bool   // a connection is a session of the server: no pooler shares that
	entered atomic.Bool

	newest    atomic.Uint64                // the highest token counter that was read or committed
	mark      atomic.Pointer[mark]         // of the newest commit of this handle that has one
	lost      atomic.Bool                  // commits that it knew of are gone
	latest    atomic.Int64                 // the latest time, ms, that this handle has used, written or not
	config    atomic.Pointer[lease.Config] // as last read
	refused   atomic.Uint64                // refusals that no transaction has written yet
	contended atomic.Bool                  // somebody waited, when last read
	withdrawn atomic.Bool                  // some attempt was, when last read
}

// maxConns bounds the pool of [Open].
const maxConns = 8

// Open opens the database that url names, in one of the forms that libpq knows:
// "postgres://user:password@host:5432/database?sslmode=verify-full", or "host=...
// user=...". What it does not say is taken from the PG* variables of the
// environment. pgx's parameters are understood too: behind PgBouncer before 1.21
// in transaction mode say default_query_exec_mode=exec. Nil options are the
// defaults. Errors are [*OpenError], or [lease.ErrInvalid] for bad options.
func Open(ctx context.Context, url string, o *Options) (lease.Manager, error) {
	s, err := OpenStore(ctx, url, o)
	if err != nil {
		return nil, err
	}
	return backend.New(s, o.engine()), nil
}

// New keeps leases in the database of an application, through its pool, whose
// driver is pgx's stdlib. The pool stays the application's to close, after the
// Manager.
func New(ctx context.Context, pool *bun.DB, o *Options) (lease.Manager, error) {
	s, err := NewStore(ctx, pool, o)
	if err != nil {
		return nil, err
	}
	return backend.New(s, o.engine()), nil
}

// OpenStore is [Open] without the engine, for those who wrap stores.
func OpenStore(ctx context.Context, url string, o *Options) (*Store, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(url)
	if err != nil { // pgx leaves out the password
		return nil, &OpenError{Database: "the given URL", Err: err}
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(maxConns)
	pool.SetMaxIdleConns(maxConns)
	s, err := start(ctx, bun.NewDB(pool, pgdialect.New()), options)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	s.own = true
	return s, nil
}

// NewStore is [New] without the engine, for those who wrap stores.
func NewStore(ctx context.Context, pool *bun.DB, o *Options) (*Store, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return start(ctx, pool, options)
}

// start brings the schema up to date and finds the namespace.
func start(ctx context.Context, db *bun.DB, o Options) (*Store, error) {
	s := &Store{db: db, options: o, database: "the application's database", sql: newStatements(o.Schema), waiters: o.waiters}
	if s.waiters == nil {
		s.waiters = new(hints.Hub)
	}
	s.queue = groupcommit.New(s.transact, func(err error) bool { return !isOwn(err) })
	err := s.check(ctx)
	var folder fs.FS
	if err == nil {
		folder, err = fs.Sub(embedded, "migrations")
	}
	if err == nil {
		err = migrate(ctx, db, o.Schema, folder)
	}
	if err == nil {
		err = s.enter(ctx)
	}
	if err == nil {
		if _, err = db.DB.ExecContext(ctx, s.sql.purgeClients, s.namespace); mayRetry(err) {
			err = nil // another one does so
		}
	}
	if err != nil {
		return nil, &OpenError{Database: s.database, Err: err}
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(o.Schema)) // never fails
	s.channel = fmt.Sprintf("leasekit_%x_%d", hash.Sum64(), s.namespace)
	_, _ = fmt.Fprint(hash, s.namespace)
	s.turn = int64(hash.Sum64()) //nolint:gosec // any number will do
	s.listener.init(s)
	s.watch.store = s
	if o.waiters == nil {
		s.client = newClient()
	}
	return s, nil
}

// oldestServer is PostgreSQL 13, as server_version_num says it.
const oldestServer = 130000

// check finds out whether the server can be used.
func (s *Store) check(ctx context.Context) error {
	var version int
	var encoding string
	var replica bool
	var pid uint32
	err := s.withConn(ctx, func(conn *pgx.Conn) error {
		c := conn.Config()
		s.database = fmt.Sprintf("%s:%d/%s, schema %s", c.Host, c.Port, c.Database, s.options.Schema)
		c.OnNotification = nil // that connection's
		s.listener.config = c
		err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery(), pg_backend_pid()`).
			Scan(&version, &encoding, &replica, &pid)
		s.session = pid == conn.PgConn().PID() // a pooler says another one
		return err
	})
	switch {
	case err != nil:
		return err
	case version < oldestServer:
		return fmt.Errorf("%w: server version %d, at least %d", ErrUnsupported, version, oldestServer)
	case encoding != "UTF8":
		return fmt.Errorf("%w: its encoding is %s, not UTF8", ErrUnsupported, encoding)
	case replica:
		return errReplica
	}
	return nil
}

// enter finds the namespace, or makes it.
func (s *Store) enter(ctx context.Context) error {
	find := func(db bun.IDB) error {
		return db.NewRaw(`SELECT namespace FROM ?.lease_configs JOIN ?.lease_counters USING (namespace) WHERE name = ?`,
			bun.Ident(s.options.Schema), bun.Ident(s.options.Schema), s.options.Namespace).Scan(ctx, &s.namespace)
	}
	if err := find(s.db); !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	config := lease.DefaultConfig()
	config.Version = 1
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return s.db.RunInTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewRaw(`INSERT INTO ?.lease_configs (name, version, config, updated_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
			bun.Ident(s.options.Schema), s.options.Namespace, config.Version, string(text), time.Now().UnixMilli()).Exec(ctx)
		if err != nil {
			return err
		}
		_, err = tx.NewRaw(`INSERT INTO ?.lease_counters (namespace, config_version, arrivals)
			SELECT namespace, version, namespace::bigint << ? FROM ?.lease_configs WHERE name = ?
			ON CONFLICT DO NOTHING`, bun.Ident(s.options.Schema), spanBits, bun.Ident(s.options.Schema), s.options.Namespace).Exec(ctx)
		if err != nil {
			return err
		}
		return find(tx)
	})
}

// closePatience is how long Close waits for others to let it write.
const closePatience = time.Second

// Close implements [backend.Store].
func (s *Store) Close() error {
	s.listener.close()
	s.watch.end()
	s.leave()
	s.saveRefused()
	err := s.queue.Close(func() error { return nil })
	if s.own {
		err = errors.Join(err, s.db.Close())
	}
	return err
}

// saveRefused writes the count of refusals, if that takes no long wait: it is
// worth a transaction, since a process that is refused often does nothing else.
func (s *Store) saveRefused() {
	if s.refused.Load() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	_ = s.queue.Do(ctx, groupcommit.Options{}, func(tx *transaction) error {
		tx.written = true
		return nil
	})
}

// passed returns the time of a moment, ms: what the namespace has used by then, or
// later if this handle had. clock is a reading that it may use.
func (s *Store) passed(now, latest int64, clock time.Time) int64 {
	for known := s.latest.Load(); known < clock.UnixMilli() && !s.latest.CompareAndSwap(known, clock.UnixMilli()); {
		known = s.latest.Load()
	}
	return max(now, latest)
}
