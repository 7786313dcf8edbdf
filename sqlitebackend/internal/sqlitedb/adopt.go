package sqlitedb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
)

// fewestToDedicate is the smallest limit of an application's pool at which the
// writer keeps a connection for itself. Below it the application could run out
// of connections, so the writer borrows one for each batch.
const fewestToDedicate = 3

// Adopt uses the database of an application through the application's own
// pool, which stays the application's to close. It changes nothing in the
// database and refuses one whose settings would lose leases, or under which
// the application itself would see errors because of us. [ErrUnsafeSettings]
// lists everything that is wrong at once. With an error the database that is
// returned, if any, is good for its name only.
//
// What it cannot see: settings that were made on some connections of the pool
// only (with Exec instead of in the data source name), and a limit on the
// lifetime of the only connection of a database in memory.
func Adopt(ctx context.Context, pool *bun.DB, options Options) (*Database, error) {
	if pool == nil {
		return nil, errors.New("nil *bun.DB")
	}
	if name := pool.Dialect().Name(); name != dialect.SQLite {
		return nil, fmt.Errorf("dialect is %s, not SQLite", name)
	}
	limit := pool.Stats().MaxOpenConnections // 0: none
	d := &Database{writer: pool, reader: pool, borrow: limit > 0 && limit < fewestToDedicate}

	connection, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	found, err := inspect(ctx, connection)
	if err == nil && limit != 1 {
		found.sharedCache, err = sharesCache(ctx, pool, connection)
	}
	if closeErr := connection.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, explainPool(err)
	}

	d.file, d.name = found.file, found.file
	if d.file == "" {
		d.name, d.borrow = MemoryPath, true
	}
	if problems := found.problems(limit, d.borrow, options); len(problems) > 0 {
		return d, fmt.Errorf("%w: %s", ErrUnsafeSettings, strings.Join(problems, "; "))
	}
	d.pragmas = writerPragmas(options)
	d.patience = fmt.Sprintf("PRAGMA busy_timeout = %d", found.busyTimeout)
	return d, d.secure(options)
}

func explainPool(err error) error {
	switch resultCode(err) {
	case codeNotADB, codeCorrupt:
		return fmt.Errorf("%w: %w", ErrNotDatabase, err)
	}
	return err
}

// settings are those of one connection that matter to us.
type settings struct {
	file        string
	journalMode string
	lockingMode string
	synchronous int // 0 off, 1 normal, 2 full, 3 extra
	busyTimeout int // milliseconds
	queryOnly   bool
	sharedCache bool
}

func inspect(ctx context.Context, connection bun.Conn) (settings, error) {
	var s settings
	var err error
	if s.file, err = mainFile(ctx, connection); err != nil {
		return s, err
	}
	for _, pragma := range []struct {
		name string
		into any
	}{
		{"journal_mode", &s.journalMode},
		{"locking_mode", &s.lockingMode},
		{"synchronous", &s.synchronous},
		{"busy_timeout", &s.busyTimeout},
		{"query_only", &s.queryOnly},
	} {
		if err := connection.Conn.QueryRowContext(ctx, "PRAGMA "+pragma.name).Scan(pragma.into); err != nil {
			return s, fmt.Errorf("PRAGMA %s: %w", pragma.name, err)
		}
	}
	return s, nil
}

// sharesCache reports whether the connections of a pool have one cache
// (cache=shared): then a setting of the cache on one is seen on another.
func sharesCache(ctx context.Context, pool *bun.DB, one bun.Conn) (bool, error) {
	other, err := pool.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer other.Close()
	var before, seen int
	if err := one.Conn.QueryRowContext(ctx, "PRAGMA cache_size").Scan(&before); err != nil {
		return false, err
	}
	if err := other.Conn.QueryRowContext(ctx, "PRAGMA cache_size").Scan(&seen); err != nil || seen != before {
		return false, err
	}
	probe := before - 1
	if _, err := one.Conn.ExecContext(ctx, fmt.Sprintf("PRAGMA cache_size = %d", probe)); err != nil {
		return false, err
	}
	err = other.Conn.QueryRowContext(ctx, "PRAGMA cache_size").Scan(&seen)
	_, restoreErr := one.Conn.ExecContext(ctx, fmt.Sprintf("PRAGMA cache_size = %d", before))
	return seen == probe, errors.Join(err, restoreErr)
}

// problems lists what is wrong with the settings, each with what to do.
func (s settings) problems(limit int, borrow bool, options Options) []string {
	var problems []string
	_, level := options.synchronous()
	add := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf(format, args...))
	}
	if s.sharedCache {
		add("cache=shared: connections would see each other's uncommitted changes and wait without end: leave it out")
	}
	if s.queryOnly {
		add("query_only is on: leases must be written")
	}
	if s.file == "" {
		switch {
		case s.journalMode != "memory":
			add("journal_mode of a database without a file is %q, want memory", s.journalMode)
		case limit != 1:
			add("every connection to a database in memory has a database of its own: call SetMaxOpenConns(1)")
		}
		return problems
	}
	if s.journalMode != "wal" {
		add("journal_mode is %q: readers would block the writer and the reverse: set it to WAL", s.journalMode)
	}
	if s.lockingMode != "normal" {
		add("locking_mode is %q: it keeps other connections out: set it to NORMAL", s.lockingMode)
	}
	if s.busyTimeout == 0 {
		add("busy_timeout is 0: the application's own writes would fail with SQLITE_BUSY while a lease is written: set it to 5000 or so")
	}
	switch {
	case s.synchronous == 0:
		// Even if only other connections have it: they run checkpoints too.
		add("synchronous is OFF: a power loss can damage the database: set it to NORMAL or FULL")
	case borrow && s.synchronous < level:
		add("synchronous is NORMAL and the pool's limit of %d connections leaves none for Leasekit alone:"+
			" set it to FULL, allow %d connections, or ask for Options.Synchronous: Normal", limit, fewestToDedicate)
	}
	return problems
}
