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
// are not supported: SQLite's locks do not work there. A process that is
// stopped (SIGSTOP, a debugger) in the middle of a transaction keeps the file's
// lock: everybody else's calls wait until it goes on or is killed.
//
// # How it works
//
// All changes go through one connection of each process, and those that arrive
// together share one transaction (writer.go: group commit). Processes queue
// for it at a lock file beside the database (gate.go), so that none starves. A
// waiter in another process is woken through PRAGMA data_version (poll.go).
// What a step decides is package backend/rules; this package only stores.
//
// The clock is the machine's, kept from running backwards: what one process has
// answered by, none of its later answers is before, and what was written, no
// answer of any process. If the machine's clock is set back right after another
// process has only looked, or was only refused, and before anything is written,
// the others do not know how late that was.
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
	"github.com/leasekit/leasekit/lease"
)

//go:embed migrations/*.sql
var embedded embed.FS

// Store keeps one namespace of a database. It is safe for concurrent use.
type Store struct {
	db        *database
	writer    *writer
	poller    *poller
	wakers    wakers
	namespace int64

	wall      func() time.Time             // the machine's clock
	latest    rules.Latest                 // how far the store's clock has gone
	seenWakes atomic.Int64                 // the newest leases.woken that was passed on
	config    atomic.Pointer[lease.Config] // as last read
	refused   atomic.Uint64                // refusals that no transaction has written yet

	// Used by who has the writer's turn.
	overlaps map[shape]string // texts of queries
	events   []any            // room for transaction.events
	scratch  []byte           // room for the text of an event

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
	options, err := o.settle()
	if err != nil {
		return nil, err
	}
	db, err := openFile(ctx, path, options)
	if err != nil {
		return nil, err
	}
	return start(ctx, db, options)
}

// NewStore is [New] without the engine, for those who wrap stores.
func NewStore(ctx context.Context, pool *bun.DB, o *Options) (*Store, error) {
	options, err := o.settle()
	if err != nil {
		return nil, err
	}
	db, err := adopt(ctx, pool, options)
	if err != nil {
		return nil, err
	}
	return start(ctx, db, options)
}

// start brings the schema up to date and begins to write.
func start(ctx context.Context, db *database, o Options) (*Store, error) {
	migrations, err := fs.Sub(embedded, "migrations")
	if err == nil {
		err = db.migrate(ctx, migrations)
	}
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	gate, err := openGate(db.file)
	if err != nil {
		return nil, errors.Join(&OpenError{Path: db.name, Err: err}, db.close())
	}
	s := &Store{db: db, wall: time.Now, overlaps: make(map[shape]string)}
	s.closing, s.stop = context.WithCancel(context.Background())
	s.writer = newWriter(db, gate, hooks{begin: s.begin, finish: s.finish})
	s.poller = newPoller(s.writer.changed, s.noticed)
	s.seenWakes.Store(-1)
	if err := s.enter(ctx, o.Namespace); err != nil {
		return nil, errors.Join(&OpenError{Path: db.name, Err: err}, s.Close())
	}
	return s, nil
}

// enter finds the namespace, or makes it.
func (s *Store) enter(ctx context.Context, name string) error {
	config := lease.DefaultConfig()
	config.Version = 1
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return s.writer.do(ctx, func(b *batch) error {
		_, err := b.exec(`INSERT INTO lease_configs (name, version, config, updated_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO NOTHING`, name, config.Version, string(text), time.Now().UnixMilli())
		if err != nil {
			return err
		}
		_, err = b.get(`SELECT namespace FROM lease_configs WHERE name = ?`, []any{name}, &s.namespace)
		if err != nil {
			return err
		}
		if s.namespace >= mostNamespaces {
			return lease.Invalid("namespace", "the file has %d others, and room for no more", s.namespace-1)
		}
		_, err = b.exec(`INSERT INTO lease_counters (namespace, arrivals) VALUES (?, ?) ON CONFLICT DO NOTHING`, s.namespace, base(s.namespace))
		return err
	})
}

// Close implements [backend.Store].
func (s *Store) Close() error {
	s.stop()
	s.poller.close()
	s.saveRefused()
	return errors.Join(s.writer.close(), s.db.close())
}

// saveRefused writes the count of refusals, if that takes no long wait: it is
// worth a transaction, since a process that is refused often does nothing else.
func (s *Store) saveRefused() {
	if s.refused.Load() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), gatePatience)
	defer cancel()
	_ = s.writer.do(ctx, func(b *batch) error {
		b.state.(*transaction).written = true
		return nil
	})
}

// run runs f as one step, together with others that arrive meanwhile, and then
// wakes whom it has made grantable. The step begins by finding this ID, unless
// that is "".
func run[T any](ctx context.Context, s *Store, id lease.ID, f func(*rules.Step) (T, error)) (T, error) {
	var reply T
	var woken []lease.ID
	err := s.writer.doFor(ctx, id, func(b *batch) error {
		tx := b.state.(*transaction)
		tx.woken = nil
		st, err := rules.Begin(tx, s.wall())
		if err != nil {
			return err
		}
		if reply, err = f(st); err != nil {
			return err
		}
		woken = tx.woken
		return tx.markWoken(&s.wakers)
	})
	if err != nil {
		var none T
		return none, err
	}
	s.wakers.wake(woken...)
	return reply, nil
}

// Subscribe implements [backend.Store].
func (s *Store) Subscribe(id lease.ID) (<-chan struct{}, func()) {
	hint, unsubscribe := s.wakers.subscribe(id)
	stopWatching := s.poller.watch()
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
	seen := s.seenWakes.Load()
	newest := seen
	var ids []lease.ID
	rows, err := s.db.reader.DB.QueryContext(s.closing, hintsAfter, s.namespace, max(seen, 0))
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
		s.wakers.wakeAll()
		newest = max(newest, 0)
	}
	s.seenWakes.Store(newest)
	s.wakers.wake(ids...)
}
