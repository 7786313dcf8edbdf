// Package sqlitebackend keeps leases in an SQLite file, for all processes of
// one machine. See [Open] for a file of our own, [New] for the database of an
// application.
//
// # What it promises
//
// Everything that [lease.Manager] does. With [Full], the default, a commit is
// on the disk before a call returns: after kill -9 and after a power loss
// state and history agree, and a token that was handed out is never handed out
// again. With [Normal] a power loss may take the last commits with it; the
// tokens, which also count milliseconds, still rise unless the machine's clock
// was set back at the same moment.
//
// Several processes may share one file on one machine. Network file systems
// are refused: SQLite's locks do not work there. A process that is stopped
// (SIGSTOP, a debugger) in the middle of a transaction keeps the file's lock:
// everybody else's calls wait until it goes on or is killed.
//
// # The file
//
// Keep it on a local disk, in a directory of its own, outside of what is
// committed, cleaned or synchronised; its side files (-wal, -shm, -gate,
// -clients) lie beside it and have its owner and permissions. Give a container
// the directory, not the file. A file that is removed, replaced, restored or
// given a second name while it is open is noticed by the next call, which fails
// with a [*FileError] until it is opened anew.
//
// On Linux importing this package makes the driver use locks of open file
// descriptions, for all databases of the process: reading the files by other
// means (a tree walk, a backup) is then harmless. The driver's variable
// MODERNC_SQLITE_OFD_LOCK=0 leaves POSIX locks, and elsewhere there are no
// others: there no process that uses the file may open and close it, or its side
// files, by itself.
//
// With [New], do not call the Manager inside a write transaction of the
// application: the call waits for the transaction's end, and that for the call.
// It fails after ten seconds, or when its context ends.
//
// # How it works
//
// All changes go through one connection of each process, and those that arrive
// together share one transaction (package internal/groupcommit). Processes queue
// for it at a lock file beside the database, so that none starves. A waiter in
// another process is woken through PRAGMA data_version. What a step decides is
// package backend/rules; this package only stores: the operations of a store in
// the files named after them, the transaction that rules work on in the files
// named tx_, what is about SQLite and not about leases in internal/sqlitedb.
//
// # Time
//
// The clock is the machine's boot-time clock, which counts suspend and which no
// step of the wall clock moves; after another start of the machine it goes on by
// the wall clock, never from before where it was. Containers of one machine
// agree. Dates that people see follow the wall clock. Where there is no such
// clock the wall clock takes its place, and stands still when that was set back.
//
// A waiter whose process has ended is passed at once on Linux, elsewhere when its
// place lapses.
package sqlitebackend

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/hints"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

//go:embed migrations/*.sql
var embedded embed.FS

// Store keeps one namespace of a database. It is safe for concurrent use.
type Store struct {
	db        *sqlitedb.Database
	reader    *bun.DB // for what need not wait for writers
	writer    *sqlitedb.Writer
	poller    *sqlitedb.Poller
	waiters   hints.Hub // of this process
	namespace int64

	client    *sqlitedb.Client // what other processes know this handle by
	listed    atomic.Bool      // the client is in lease_clients
	others    others           // the poller's
	clock     reader
	newest    atomic.Uint64                // the highest token counter that was read
	seenWakes atomic.Int64                 // the newest leases.woken that was passed on
	config    atomic.Pointer[lease.Config] // as last read
	refused   atomic.Uint64                // refusals that no transaction has written yet

	// Used by who has the writer's turn.
	overlaps map[shape]string  // texts of queries
	queries  map[string]string // see transaction.some
	room     room

	faults interface { // of tests: conformance.TxFaults; nil otherwise
		Tx(tx rules.Tx) rules.Tx
		Commit() error
	}

	closing context.Context // ends when Close begins
	stop    context.CancelFunc
}

// Open opens the SQLite file at path, and makes it if it does not exist. Its
// directory must exist. ":memory:" is a private database that is gone after
// Close. Nil options are the defaults. Errors are [*OpenError], or
// [lease.ErrInvalid] for bad options.
func Open(ctx context.Context, path string, o *Options) (lease.Manager, error) {
	s, err := OpenStore(ctx, path, o)
	if err != nil {
		return nil, err
	}
	return backend.New(s, o.engine()), nil
}

// New keeps leases in the database of an application, in tables whose names
// begin with "lease". The pool stays the application's to close, after the
// Manager. A pool whose settings would lose leases is refused with
// [ErrUnsafeSettings], which says what to change.
func New(ctx context.Context, pool *bun.DB, o *Options) (lease.Manager, error) {
	s, err := NewStore(ctx, pool, o)
	if err != nil {
		return nil, err
	}
	return backend.New(s, o.engine()), nil
}

// OpenStore is [Open] without the engine, for those who wrap stores.
func OpenStore(ctx context.Context, path string, o *Options) (*Store, error) {
	return openOn(ctx, thisMachine(), path, o)
}

func openOn(ctx context.Context, m machine, path string, o *Options) (*Store, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	db, err := sqlitedb.Open(ctx, path, options.database())
	if err != nil {
		return nil, &OpenError{Path: path, Err: err}
	}
	return start(ctx, m, db, options)
}

// NewStore is [New] without the engine, for those who wrap stores.
func NewStore(ctx context.Context, pool *bun.DB, o *Options) (*Store, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	db, err := sqlitedb.Adopt(ctx, pool, options.database())
	if err != nil {
		name := "the application's database"
		if db != nil {
			name = db.Name()
		}
		return nil, &OpenError{Path: name, Err: err}
	}
	return start(ctx, thisMachine(), db, options)
}

// start brings the schema up to date and begins to write.
func start(ctx context.Context, m machine, db *sqlitedb.Database, o Options) (*Store, error) {
	s := &Store{db: db, reader: db.Reader(), clock: reader{machine: m}, overlaps: make(map[shape]string), queries: make(map[string]string)}
	s.room.recent = make(map[lease.ID]struct{})
	s.room.fields = s.room.row.fields()
	s.closing, s.stop = context.WithCancel(context.Background())
	s.writer = sqlitedb.NewWriter(db, sqlitedb.Hooks{Begin: s.begin, Finish: s.finish})
	client, joinErr := db.Join()
	s.client = client
	s.poller = sqlitedb.NewPoller(s.writer.Changed, s.noticed, s.passGone)
	s.seenWakes.Store(-1)
	migrations, err := fs.Sub(embedded, "migrations")
	if err = errors.Join(err, joinErr); err == nil {
		err = db.Migrate(ctx, migrations)
	}
	if err == nil {
		err = s.enter(ctx, o.Namespace)
	}
	if err != nil {
		return nil, errors.Join(&OpenError{Path: db.Name(), Err: db.Explain(err)}, s.Close())
	}
	return s, nil
}

// enter finds the namespace, or makes it, and begins to keep time in this boot
// of the machine. Most opens find all in place and write nothing.
func (s *Store) enter(ctx context.Context, name string) error {
	var found int64
	var read origin
	err := s.writer.Read(ctx, func(session *sqlitedb.Session) error {
		_, err := session.Get(`SELECT namespace, boot, "offset" FROM lease_configs JOIN lease_counters USING (namespace) WHERE name = ?`,
			[]any{name}, &found, &read.boot, &read.at)
		return err
	})
	if err != nil || found > 0 && read.boot == s.clock.id {
		s.namespace = found
		return err
	}
	config := lease.DefaultConfig()
	config.Version = 1
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return s.writer.Do(ctx, sqlitedb.Call{}, func(b *sqlitedb.Batch) error {
		err := b.Exec(`INSERT INTO lease_configs (name, version, config, updated_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO NOTHING`, name, config.Version, string(text), time.Now().UnixMilli())
		if err != nil {
			return err
		}
		var namespace, highest int64
		if _, err = b.Get(`SELECT namespace FROM lease_configs WHERE name = ?`, []any{name}, &namespace); err != nil {
			return err
		}
		if namespace >= mostNamespaces {
			return lease.Invalid("namespace", "the file has %d others, and room for no more", namespace-1)
		}
		err = b.Exec(`INSERT INTO lease_counters (namespace, arrivals) VALUES (?, ?) ON CONFLICT DO NOTHING`, namespace, base(namespace))
		if err != nil {
			return err
		}
		_, err = b.Get(`SELECT boot, "offset", now FROM lease_counters WHERE namespace = ?`, []any{namespace}, &read.boot, &read.at, &highest)
		if err != nil {
			return err
		}
		if read.boot != s.clock.id {
			read = s.clock.continued(highest, s.clock.read())
		}
		s.namespace = namespace
		return b.Exec(writeOrigin, read.boot, read.at, namespace)
	})
}

// Close implements [backend.Store].
func (s *Store) Close() error {
	s.stop()
	s.poller.Close()
	s.saveRefused()
	return errors.Join(s.writer.Close(), s.client.Close(), s.db.Close())
}

// closePatience is how long Close waits for others to let it write.
const closePatience = time.Second

// saveRefused writes the count of refusals, if that takes no long wait: it is
// worth a transaction, since a process that is refused often does nothing else.
func (s *Store) saveRefused() {
	if s.refused.Load() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	_ = s.writer.Do(ctx, sqlitedb.Call{}, func(b *sqlitedb.Batch) error {
		b.State.(*transaction).written = true
		return nil
	})
}

// run runs f as one step, together with others that arrive meanwhile, and then
// wakes whom it has made grantable. The step begins by finding c.Subject, if any.
func run[T any](ctx context.Context, s *Store, c sqlitedb.Call, f func(*rules.Step) (T, error)) (T, error) {
	var done struct {
		reply T
		woken []lease.ID
		waits bool
	}
	err := s.writer.Do(ctx, c, func(b *sqlitedb.Batch) error {
		tx := b.State.(*transaction)
		tx.woken = nil
		var through rules.Tx = tx
		if s.faults != nil {
			through = s.faults.Tx(tx)
		}
		st := &s.room.step
		err := st.Begin(through)
		if err != nil {
			return err
		}
		if done.reply, err = f(st); err != nil {
			return err
		}
		done.woken, done.waits = tx.woken, tx.waits
		return tx.markWoken()
	})
	if err != nil {
		var none T
		return none, err
	}
	if done.waits {
		s.listed.Store(true)
	}
	s.waiters.Notify(done.woken...)
	return done.reply, nil
}

// Subscribe implements [backend.Store].
func (s *Store) Subscribe(id lease.ID) (<-chan struct{}, func()) {
	hint, unsubscribe := s.waiters.Subscribe(id)
	stopWatching := s.poller.Watch()
	var once sync.Once
	return hint, func() {
		once.Do(func() {
			stopWatching()
			unsubscribe()
		})
	}
}

const hintsAfter = `SELECT id, woken FROM leases INDEXED BY leases_woken WHERE namespace = ? AND woken > ? AND woken > 0`

// noticed wakes the waiters of this process that another one has hinted at.
func (s *Store) noticed() {
	s.others.known = false
	seen := s.seenWakes.Load()
	newest := seen
	var ids []lease.ID
	rows, err := s.reader.DB.QueryContext(s.closing, hintsAfter, s.namespace, max(seen, 0))
	if err != nil {
		return // the next commit brings another chance, or the waiter's own timer
	}
	defer rows.Close()
	for rows.Next() {
		var id lease.ID
		var woken int64
		if rows.Scan(&id, &woken) != nil {
			return
		}
		ids, newest = append(ids, id), max(newest, woken)
	}
	if rows.Err() != nil {
		return
	}
	if seen < 0 { // what has happened so far is not known
		s.waiters.NotifyAll()
		newest = max(newest, 0)
	}
	s.seenWakes.Store(newest)
	s.waiters.Notify(ids...)
}
