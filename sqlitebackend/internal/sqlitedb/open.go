package sqlitedb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
)

// MemoryPath is the path that stands for a private database in memory.
const MemoryPath = ":memory:"

// Open opens the database file at path, and makes it if need be, with one
// connection for writing and a few for reading. [MemoryPath] is a private
// database in memory.
func Open(ctx context.Context, path string, options Options) (*Database, error) {
	if path == MemoryPath {
		return openMemory(ctx)
	}
	absolute, err := checkPath(path)
	if err != nil {
		return nil, err
	}
	d := &Database{name: path, owned: true, pragmas: writerPragmas(options)}
	if d.writer, err = openPool(fileURI(absolute, "_txlock=immediate"), 1); err != nil {
		return nil, err
	}
	readers := min(4, max(2, runtime.GOMAXPROCS(0)))
	patience := fmt.Sprintf("_pragma=busy_timeout(%d)", readPatience.Milliseconds())
	if d.reader, err = openPool(fileURI(absolute, patience, "_query_only=1"), readers); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err = d.prepareFile(ctx); err != nil {
		return nil, errors.Join(explain(absolute, err), d.Close())
	}
	if err = d.secure(options); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// secure makes sure that the file is the only one of its kind, and opens what
// processes take turns by.
func (d *Database) secure(options Options) (err error) {
	if d.file == "" {
		return nil
	}
	switch {
	case !options.Network && networkFileSystem(filepath.Dir(d.file)) != "":
		return &FileError{Path: d.file, Problem: NetworkStorage}
	case mountedAlone(d.file):
		return &FileError{Path: d.file, Problem: MountedAlone}
	}
	if err = d.identify(); err == nil {
		d.lock, err = openFileLock(d.file)
	}
	return err
}

// openMemory opens a private database in memory. Each connection would get one
// of its own, so there is a single one for everything.
func openMemory(ctx context.Context) (*Database, error) {
	pool, err := openPool(MemoryPath, 1)
	if err != nil {
		return nil, err
	}
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &Database{name: MemoryPath, writer: pool, reader: pool, owned: true, borrow: true}, nil
}

func openPool(dsn string, size int) (*bun.DB, error) {
	base, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	if dsn != MemoryPath {
		base = connector{base}
	}
	pool := sql.OpenDB(base)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return bun.NewDB(pool, sqlitedialect.New()), nil
}

// connector opens connections that leave -wal and -shm where they are when the
// last one closes. SQLite removes them by name, and so would remove those of a
// new database in the place of one that was moved away.
type connector struct{ driver.Connector }

// Connect opens a connection.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	connection, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if files, ok := connection.(sqlite.FileControl); ok {
		if _, err := files.FileControlPersistWAL("main", 1); err != nil {
			return nil, errors.Join(err, connection.Close())
		}
	}
	return connection, nil
}

// writerPragmas are the settings of a connection that only the writer uses.
// busy_timeout is 0 because retryBusy does the waiting.
func writerPragmas(options Options) []string {
	synchronous, _ := options.synchronous()
	pragmas := []string{
		"PRAGMA busy_timeout = 0",
		"PRAGMA synchronous = " + synchronous,
		"PRAGMA journal_size_limit = 67108864",
	}
	if !options.Normal {
		// macOS keeps what fsync wrote in the drive's cache; only this moves
		// it to the disk. Elsewhere it does nothing.
		pragmas = append(pragmas, "PRAGMA fullfsync = 1", "PRAGMA checkpoint_fullfsync = 1")
	}
	return pragmas
}

// prepareFile switches the file to WAL and learns its resolved name.
func (d *Database) prepareFile(ctx context.Context) error {
	connection, err := d.takeWriter(ctx)
	if err != nil {
		return err
	}
	defer d.giveBack(connection, false)
	var mode string
	// The switch needs the file for itself for a moment and does not wait for
	// that: of two processes that open a new file at once, one is told BUSY.
	err = retryBusy(ctx, func() error {
		return connection.Conn.QueryRowContext(context.WithoutCancel(ctx), "PRAGMA journal_mode = WAL").Scan(&mode)
	})
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%w: journal_mode stays %q, this file system cannot do WAL", ErrUnsafeSettings, mode)
	}
	d.file, err = mainFile(ctx, connection)
	return err
}

// mainFile returns the name of the connection's database file, as SQLite has
// resolved it; empty for a database in memory.
func mainFile(ctx context.Context, connection bun.Conn) (string, error) {
	var file string
	err := retryBusy(ctx, func() error {
		return connection.Conn.QueryRowContext(context.WithoutCancel(ctx),
			"SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&file)
	})
	return file, err
}

// takeWriter takes a connection for writing from the pool. It may wait for the
// application to return one, until ctx ends, but not without end.
func (d *Database) takeWriter(ctx context.Context) (bun.Conn, error) {
	patience, cancel := context.WithTimeoutCause(ctx, busyPatience, errPoolBusy)
	connection, err := d.writer.Conn(patience)
	if err != nil && ctx.Err() == nil && patience.Err() != nil {
		err = errPoolBusy
	}
	cancel()
	if err != nil || d.borrow {
		return connection, err
	}
	for _, pragma := range d.pragmas {
		// Some read the schema first, which must wait while another process
		// opens a new file or closes it as the last one.
		err := retryBusy(ctx, func() error {
			_, err := connection.Conn.ExecContext(context.WithoutCancel(ctx), pragma)
			return err
		})
		if err != nil {
			d.giveBack(connection, true)
			return bun.Conn{}, err
		}
	}
	return connection, nil
}

// errPoolBusy is what a call gets that the application itself blocks.
var errPoolBusy = errors.New("no connection of the application's pool became free:" +
	" a call inside one of its transactions waits for itself")

// giveBack returns a connection of takeWriter. A broken one (it may be inside
// a transaction) is closed instead, except in memory, where the connection is
// the database. So is one of an application's pool whose settings we changed.
func (d *Database) giveBack(connection bun.Conn, broken bool) {
	changed := !d.owned && !d.borrow
	if d.file != "" && (broken || changed) {
		// database/sql closes a connection that its driver calls bad.
		_ = connection.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = connection.Close() // nothing is lost: commits have been answered
}

// checkPath refuses what SQLite would misunderstand or report badly, and
// returns the absolute path.
func checkPath(path string) (string, error) {
	switch {
	case path == "":
		return "", errors.New("empty path")
	case strings.ContainsRune(path, 0):
		return "", errors.New("path has a NUL byte")
	case strings.HasPrefix(path, "file:"):
		return "", errors.New("a plain path is wanted, not a URI")
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	directory, err := os.Stat(filepath.Dir(absolute))
	if err != nil {
		return "", err
	}
	if !directory.IsDir() {
		return "", fmt.Errorf("%s is not a directory", filepath.Dir(absolute))
	}
	if file, err := os.Stat(absolute); err == nil && !file.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	return absolute, nil
}

// fileURI turns an absolute path into a data source name. SQLite and the
// driver read '?', '#' and '%' in it, so those are escaped.
func fileURI(absolute string, parameters ...string) string {
	path := filepath.ToSlash(absolute)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/leases.db
	}
	escaped := (&url.URL{Path: path}).EscapedPath()
	return "file://" + escaped + "?" + strings.Join(parameters, "&")
}

// Explain adds the reason, where it is known, to an error of the first write: a
// file that may only be read opens without one.
func (d *Database) Explain(err error) error {
	if d.file == "" || err == nil {
		return err
	}
	return explain(d.file, err)
}

// explain adds the reason, where it is known, to SQLite's error about a file.
func explain(absolute string, err error) error {
	switch resultCode(err) {
	case codeNotADB, codeCorrupt:
		return fmt.Errorf("%w: %w", ErrNotDatabase, err)
	case codePermission, codeReadOnly:
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case codeCannot:
		// SQLite says no more than this. A directory that cannot be opened
		// either has a better reason (too many open files); the file itself
		// must not be opened, since closing it would drop SQLite's locks.
		directory, reason := os.Open(filepath.Dir(absolute))
		if reason != nil && !errors.Is(reason, fs.ErrPermission) {
			return fmt.Errorf("%w: %w", err, reason)
		}
		if reason == nil {
			_ = directory.Close()
		}
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}
