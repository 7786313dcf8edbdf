package sqlitedb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/internal/migrations"
)

// migrationsTable has a name of its own because the application's database may
// have a "migrations" already. A failed migration keeps its row until a later
// open succeeds with it.
const migrationsTable = `CREATE TABLE IF NOT EXISTS lease_migrations (
	version    INTEGER PRIMARY KEY,
	name       TEXT    NOT NULL,
	applied_at INTEGER NOT NULL, -- Unix milliseconds, of the last attempt
	status     TEXT    NOT NULL CHECK (status IN ('applied', 'failed')),
	error      TEXT    NOT NULL DEFAULT ''
)`

const recordMigration = `INSERT INTO lease_migrations (version, name, applied_at, status, error)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (version) DO UPDATE SET
	name = excluded.name, applied_at = excluded.applied_at, status = excluded.status, error = excluded.error
WHERE lease_migrations.status = 'failed' -- by now another process may have applied it`

// Migrate brings the database to the newest of the folder's migrations.
//
// Each migration and its record are one transaction: it is applied and known
// to be, or neither, also after kill -9. BEGIN IMMEDIATE is the lock between
// processes, and what is applied is looked up again under it, so any number of
// processes may open a new file at once. A failure is recorded in a second
// transaction and reported as [*MigrationError]; the next open tries again. A
// database that a newer program has migrated is [ErrNewerSchema] and is left
// as it is.
//
// A ctx that ends stops the waiting and the step to the next migration, never
// a migration half-way.
func (d *Database) Migrate(ctx context.Context, folder fs.FS) error {
	list, err := migrations.Load(folder)
	if err != nil {
		return err
	}
	connection, err := d.takeWriter(ctx)
	if err != nil {
		return err
	}
	m := migrator{connection: connection, migrations: list, lock: d.lock}
	err = m.run(ctx)
	d.giveBack(connection, m.broken)
	return err
}

type migrator struct {
	connection bun.Conn
	migrations []migrations.Migration
	lock       *fileLock
	broken     bool // the connection may be inside a transaction
}

func (m *migrator) run(ctx context.Context) error {
	// Most opens find everything in place; those do not ask for the write lock.
	applied := 0
	err := retryBusy(ctx, func() (err error) {
		applied, err = m.applied(ctx)
		return err
	})
	for err == nil && applied < len(m.migrations) {
		if err = ctx.Err(); err == nil {
			applied, err = m.step(ctx)
		}
	}
	return err
}

// applied returns the newest applied version, 0 if there is none.
func (m *migrator) applied(ctx context.Context) (int, error) {
	ctx = context.WithoutCancel(ctx)
	tables, newest := 0, 0
	err := m.connection.Conn.QueryRowContext(ctx,
		"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'lease_migrations'").Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	err = m.connection.Conn.QueryRowContext(ctx,
		"SELECT coalesce(max(version), 0) FROM lease_migrations WHERE status = 'applied'").Scan(&newest)
	if err == nil && newest > len(m.migrations) {
		err = fmt.Errorf("%w: the database is at version %d, this program knows %d",
			ErrNewerSchema, newest, len(m.migrations))
	}
	return newest, err
}

// step applies the next migration, unless another process has done so
// meanwhile, and returns the version reached.
func (m *migrator) step(ctx context.Context) (int, error) {
	var applied int
	var failed *migrations.Migration
	err := m.transaction(ctx, func(ctx context.Context) error {
		var err error
		if applied, err = m.applied(ctx); err != nil || applied == len(m.migrations) {
			return err
		}
		next := m.migrations[applied]
		if err := m.exec(ctx, migrationsTable); err != nil {
			return err
		}
		if err := m.exec(ctx, next.SQL); err != nil {
			failed = &next
			return err
		}
		applied = next.Version
		return m.record(ctx, next, "applied", "")
	})
	if failed == nil || err == nil {
		return applied, err
	}
	recordErr := m.transaction(context.WithoutCancel(ctx), func(ctx context.Context) error {
		if err := m.exec(ctx, migrationsTable); err != nil {
			return err
		}
		return m.record(ctx, *failed, "failed", err.Error())
	})
	return 0, errors.Join(&MigrationError{Version: failed.Version, Name: failed.Name, Err: err}, recordErr)
}

func (m *migrator) record(ctx context.Context, of migrations.Migration, status, failure string) error {
	_, err := m.connection.Conn.ExecContext(ctx, recordMigration,
		of.Version, of.Name, time.Now().UnixMilli(), status, failure)
	return err
}

// transaction runs body under SQLite's write lock. Only the wait for the lock
// hears of ctx.
func (m *migrator) transaction(ctx context.Context, body func(context.Context) error) error {
	uncancelled := context.WithoutCancel(ctx)
	if err := m.lock.lock(ctx); err != nil {
		return err
	}
	defer m.lock.unlock()
	if err := retryBusy(ctx, func() error { return m.exec(uncancelled, "BEGIN IMMEDIATE") }); err != nil {
		return err
	}
	err := body(uncancelled)
	if err == nil {
		err = m.exec(uncancelled, "COMMIT")
	}
	if err != nil {
		// Fails if SQLite has rolled back by itself (disk full): either way
		// the connection is not used again.
		m.broken = m.exec(uncancelled, "ROLLBACK") != nil
	}
	return err
}

func (m *migrator) exec(ctx context.Context, query string) error {
	_, err := m.connection.Conn.ExecContext(ctx, query)
	return err
}
