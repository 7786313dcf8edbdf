package sqlitedb

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/migrations"

	"github.com/leasekit/leasekit/internal/proctest"
)

func files(texts ...string) fstest.MapFS {
	folder := fstest.MapFS{}
	for i, text := range texts {
		folder[fmt.Sprintf("%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return folder
}

const (
	// Several statements, a trigger with a semicolon inside, and a '?' that is
	// no parameter.
	firstStep = `CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'what?'); -- why?
CREATE TABLE log (at INTEGER);
CREATE TRIGGER things_log AFTER INSERT ON things BEGIN INSERT INTO log VALUES (1); INSERT INTO log VALUES (2); END;
INSERT INTO things DEFAULT VALUES;`
	secondStep = `ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7;`
	brokenStep = `CREATE TABLE more (x); INSERT INTO nowhere VALUES (1);`
)

type migrationRow struct {
	Version   int
	Name      string
	AppliedAt int64
	Status    string
	Error     string
}

func migrationRows(t testing.TB, d *Database) []migrationRow {
	t.Helper()
	var rows []migrationRow
	require.NoError(t, d.reader.NewSelect().Table("lease_migrations").Order("version").Scan(context.Background(), &rows))
	return rows
}

func countRows(t testing.TB, d *Database, table string) int {
	t.Helper()
	var n int
	require.NoError(t, d.reader.NewSelect().Table(table).ColumnExpr("count(*)").Scan(context.Background(), &n))
	return n
}

func TestMigrateInSteps(t *testing.T) {
	d := mustOpen(t, newPath(t), quick)
	before := time.Now().UnixMilli()
	require.NoError(t, d.Migrate(t.Context(), files(firstStep)))
	require.Equal(t, 2, countRows(t, d, "log"))
	require.NoError(t, d.Migrate(t.Context(), files(firstStep)), "nothing to do")
	require.NoError(t, d.Migrate(t.Context(), files(firstStep, secondStep)))
	require.Equal(t, 1, countRows(t, d, "things"))
	rows := migrationRows(t, d)
	require.Len(t, rows, 2)
	for i, row := range rows {
		require.Equal(t, i+1, row.Version)
		require.Equal(t, "step", row.Name)
		require.Equal(t, "applied", row.Status)
		require.Empty(t, row.Error)
		require.GreaterOrEqual(t, row.AppliedAt, before)
	}
}

func TestMigrateInMemoryAndSmallPool(t *testing.T) {
	d := mustOpen(t, MemoryPath, quick)
	require.NoError(t, d.Migrate(t.Context(), files(firstStep, secondStep)))
	require.Len(t, migrationRows(t, d), 2)

	d, err := Adopt(t.Context(), application(t, "file:"+newPath(t)+fullSettings, 1), Options{})
	require.NoError(t, err)
	require.NoError(t, d.Migrate(t.Context(), files(firstStep, secondStep)))
	require.Len(t, migrationRows(t, d), 2)
}

func TestMigrateFailureIsRecordedAndTriedAgain(t *testing.T) {
	d := mustOpen(t, newPath(t), quick)
	for range 2 {
		err := d.Migrate(t.Context(), files(firstStep, brokenStep, secondStep))
		var failure *MigrationError
		require.ErrorAs(t, err, &failure)
		require.Equal(t, 2, failure.Version)
		require.ErrorContains(t, err, "0002_step: ")
		require.ErrorContains(t, err, "nowhere")
		rows := migrationRows(t, d)
		require.Len(t, rows, 2, "what came before stays, what comes after waits")
		require.Equal(t, "applied", rows[0].Status)
		require.Equal(t, "failed", rows[1].Status)
		require.Contains(t, rows[1].Error, "nowhere")
		var tables int
		require.NoError(t, d.reader.QueryRow("SELECT count(*) FROM sqlite_master WHERE name = 'more'").Scan(&tables))
		require.Zero(t, tables, "nothing of a failed migration is kept")
	}
	require.NoError(t, d.Migrate(t.Context(), files(firstStep, secondStep)), "mended")
	rows := migrationRows(t, d)
	require.Equal(t, "applied", rows[1].Status)
	require.Empty(t, rows[1].Error)
}

func TestMigrateRefusesNewerSchema(t *testing.T) {
	d := mustOpen(t, newPath(t), quick)
	require.NoError(t, d.Migrate(t.Context(), files(firstStep, secondStep)))
	before := migrationRows(t, d)
	err := d.Migrate(t.Context(), files(firstStep))
	require.ErrorIs(t, err, ErrNewerSchema)
	require.ErrorContains(t, err, "version 2, this program knows 1")
	require.Equal(t, before, migrationRows(t, d))
}

// A record of success is never replaced by another process' failure.
func TestMigrateKeepsAppliedRecord(t *testing.T) {
	d := mustOpen(t, newPath(t), quick)
	require.NoError(t, d.Migrate(t.Context(), files(firstStep)))
	connection, err := d.takeWriter(t.Context())
	require.NoError(t, err)
	m := migrator{connection: connection}
	require.NoError(t, m.record(t.Context(), migrations.Migration{Version: 1, Name: "step"}, "failed", "late"))
	d.giveBack(connection, false)
	require.Equal(t, "applied", migrationRows(t, d)[0].Status)
}

func TestMigrateWaitsForLock(t *testing.T) {
	path := newPath(t)
	d, other := mustOpen(t, path, quick), mustOpen(t, path, quick)
	tx, err := other.writer.BeginTx(t.Context(), &sql.TxOptions{})
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, d.Migrate(ctx, files(firstStep)), context.DeadlineExceeded)

	done := make(chan error)
	go func() { done <- d.Migrate(context.Background(), files(firstStep)) }()
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-done)
}

func TestLoadMigrations(t *testing.T) {
	for name, folder := range map[string]fstest.MapFS{
		"a gap":       {"0001_a.sql": {}, "0003_b.sql": {}},
		"a duplicate": {"0001_a.sql": {}, "0001_b.sql": {}},
		"from zero":   {"0000_a.sql": {}},
		"a bad name":  {"0001_a.sql": {}, "2_b.sql": {}},
		"a leftover":  {"0001_a.sql": {}, "0001_a.sql.orig": {}},
	} {
		_, err := migrations.Load(folder)
		require.Error(t, err, name)
	}
}

func init() {
	roles["migrate"] = func(path string, orders *bufio.Scanner) error {
		proctest.Say("ready")
		for orders.Scan() {
			d, err := Open(context.Background(), orders.Text(), quick)
			if err != nil {
				return err
			}
			if err := d.Migrate(context.Background(), files(firstStep, secondStep)); err != nil {
				return err
			}
			if err := d.Close(); err != nil {
				return err
			}
			proctest.Say("done")
		}
		return nil
	}
}

// Processes that open a new file at once all succeed, and each migration runs
// once.
func TestMigrateInSeveralProcessesAtOnce(t *testing.T) {
	const processes, rounds = 4, 5
	children := make([]*proctest.Process, processes)
	for i := range children {
		children[i] = proctest.Start(t, "migrate", "")
		children[i].Expect("ready")
	}
	for range rounds {
		path := newPath(t)
		for _, child := range children {
			child.Order(path)
		}
		for _, child := range children {
			child.Expect("done")
		}
		d := mustOpen(t, path, quick)
		require.Len(t, migrationRows(t, d), 2)
		require.Equal(t, 1, countRows(t, d, "things"))
	}
	proctest.FinishAll(children)
}
