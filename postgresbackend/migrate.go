package postgresbackend

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/internal/migrations"
)

//go:embed migrations/*.sql
var embedded embed.FS

// migrationsTable keeps what was applied. A failed migration keeps its row until
// a later open succeeds with it.
const migrationsTable = `CREATE TABLE IF NOT EXISTS lease_migrations (
	version    integer PRIMARY KEY,
	name       text   NOT NULL,
	applied_at bigint NOT NULL, -- Unix milliseconds, of the last attempt
	status     text   NOT NULL CHECK (status IN ('applied', 'failed')),
	error      text   NOT NULL DEFAULT ''
)`

const recordMigration = `INSERT INTO lease_migrations AS m (version, name, applied_at, status, error) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (version) DO UPDATE SET
		name = excluded.name, applied_at = excluded.applied_at, status = excluded.status, error = excluded.error
	WHERE m.status = 'failed'` // by now another process may have applied it

// migrator brings a schema to the newest of the migrations.
//
// Each migration and its record are one transaction: it is applied and known to
// be, or neither. An advisory lock lets one process at a time do that, and what is
// applied is looked up again under it. A failure is recorded in a second
// transaction and reported as [*MigrationError]; the next open tries again. A
// schema that a newer program has migrated is [ErrNewerSchema] and is left as it
// is.
type migrator struct {
	db     *bun.DB
	schema string
	list   []migrations.Migration
}

func migrate(ctx context.Context, db *bun.DB, schema string, folder fs.FS) error {
	list, err := migrations.Load(folder)
	if err != nil {
		return err
	}
	m := migrator{db: db, schema: schema, list: list}
	// Most opens find everything in place; those need no right to create.
	applied, err := m.applied(ctx, db)
	for err == nil && applied < len(list) {
		applied, err = m.step(ctx)
	}
	return err
}

// applied returns the newest applied version, 0 if there is none.
func (m *migrator) applied(ctx context.Context, db bun.IDB) (int, error) {
	var newest int
	err := db.NewRaw("SELECT coalesce(max(version), 0) FROM ?.lease_migrations WHERE status = 'applied'", bun.Ident(m.schema)).Scan(ctx, &newest)
	if c := code(err); c == codeNoTable || c == codeNoSchema {
		return 0, nil
	}
	if err == nil && newest > len(m.list) {
		err = fmt.Errorf("%w: the schema is at version %d, this program knows %d", ErrNewerSchema, newest, len(m.list))
	}
	return newest, err
}

// step applies the next migration, unless another process has done so meanwhile,
// and returns the version reached.
func (m *migrator) step(ctx context.Context) (int, error) {
	var applied int
	var failed *migrations.Migration
	err := m.locked(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if applied, err = m.applied(ctx, tx); err != nil || applied == len(m.list) {
			return err
		}
		next := m.list[applied]
		if _, err = tx.Tx.ExecContext(ctx, next.SQL); err != nil {
			failed = &next
			return err
		}
		applied = next.Version
		return record(ctx, tx, next, "applied", "")
	})
	if failed == nil || err == nil {
		return applied, err
	}
	recordErr := m.locked(context.WithoutCancel(ctx), func(ctx context.Context, tx bun.Tx) error {
		return record(ctx, tx, *failed, "failed", err.Error())
	})
	return 0, errors.Join(&MigrationError{Version: failed.Version, Name: failed.Name, Err: err}, recordErr)
}

func record(ctx context.Context, tx bun.Tx, of migrations.Migration, status, failure string) error {
	_, err := tx.NewRaw(recordMigration, of.Version, of.Name, time.Now().UnixMilli(), status, failure).Exec(ctx)
	return err
}

// locked runs body in a transaction that one process at a time has for this
// schema, with the schema as its search_path and with the table of migrations.
func (m *migrator) locked(ctx context.Context, body func(context.Context, bun.Tx) error) error {
	return m.db.RunInTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewRaw("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", "leasekit "+m.schema).Exec(ctx)
		if err != nil {
			return err
		}
		var exists bool
		if err := tx.NewRaw("SELECT to_regnamespace(quote_ident(?)) IS NOT NULL", m.schema).Scan(ctx, &exists); err != nil {
			return err
		}
		if !exists {
			if _, err := tx.NewRaw("CREATE SCHEMA ?", bun.Ident(m.schema)).Exec(ctx); err != nil {
				return err
			}
		}
		if _, err := tx.NewRaw("SET LOCAL search_path TO ?", bun.Ident(m.schema)).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.Tx.ExecContext(ctx, migrationsTable); err != nil {
			return err
		}
		return body(ctx, tx)
	})
}
