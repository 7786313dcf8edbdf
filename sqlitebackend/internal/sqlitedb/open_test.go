package sqlitedb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
)

// mustOpen opens a database that is closed with the test.
func mustOpen(t testing.TB, path string, options Options) *Database {
	t.Helper()
	d, err := Open(context.Background(), path, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "leases.db") }

func pragma(t testing.TB, connection bun.Conn, name string) string {
	t.Helper()
	var value string
	require.NoError(t, connection.Conn.QueryRowContext(context.Background(), "PRAGMA "+name).Scan(&value))
	return value
}

func TestOpenSettings(t *testing.T) {
	for _, mode := range []struct {
		options     Options
		synchronous string
	}{{Options{}, "2"}, {Options{Normal: true}, "1"}} {
		d := mustOpen(t, newPath(t), mode.options)
		writer, err := d.takeWriter(t.Context())
		require.NoError(t, err)
		require.Equal(t, mode.synchronous, pragma(t, writer, "synchronous"))
		require.Equal(t, "wal", pragma(t, writer, "journal_mode"))
		require.Equal(t, "0", pragma(t, writer, "busy_timeout"))
		d.giveBack(writer, false)

		reader, err := d.reader.Conn(t.Context())
		require.NoError(t, err)
		require.Equal(t, "1", pragma(t, reader, "query_only"))
		require.Equal(t, "5000", pragma(t, reader, "busy_timeout"))
		require.NoError(t, reader.Close())
	}
}

// SQLite and its driver read some characters of a path as syntax.
func TestOpenPathWithSpecialCharacters(t *testing.T) {
	for _, name := range []string{
		"plain.db", "with space.db", "q?mode=memory.db", "frag#ment.db", "per%41cent.db", "100%.db", "a&b=c;d.db",
		"quote'\".db", "plus+.db", "-dash.db", "umlaut-ä.db", "back\\slash.db", "bytes-\xff.db", "?.db", "new\nline.db",
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, name)
			d := mustOpen(t, path, Options{})
			_, err := d.writer.Exec("CREATE TABLE here (x)")
			require.NoError(t, err)
			var tables int
			require.NoError(t, d.reader.QueryRow("SELECT count(*) FROM sqlite_master").Scan(&tables))
			require.Equal(t, 1, tables)
			require.FileExists(t, path)
			require.Equal(t, name, filepath.Base(d.file))
			entries, err := os.ReadDir(folder)
			require.NoError(t, err)
			require.Len(t, entries, 4, "the file, its -wal, its -shm and its -gate, and nothing else")
		})
	}
}

func TestOpenRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	d := mustOpen(t, "leases.db", Options{})
	require.FileExists(t, "leases.db")
	require.True(t, filepath.IsAbs(d.file))
}

func TestOpenMemory(t *testing.T) {
	d := mustOpen(t, MemoryPath, Options{})
	require.Empty(t, d.file)
	_, err := d.writer.Exec("CREATE TABLE here (x)")
	require.NoError(t, err)
	var tables int
	require.NoError(t, d.reader.QueryRow("SELECT count(*) FROM sqlite_master").Scan(&tables))
	require.Equal(t, 1, tables, "reads see what was written: there is one connection")

	connection, err := d.takeWriter(t.Context())
	require.NoError(t, err)
	d.giveBack(connection, true)
	require.NoError(t, d.reader.QueryRow("SELECT count(*) FROM sqlite_master").Scan(&tables))
	require.Equal(t, 1, tables, "the connection is the database: it is never discarded")
}

func TestOpenErrors(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text.db")
	require.NoError(t, os.WriteFile(text, []byte("this is not a database, but it is long enough to look like a file with a header of 100 bytes in it, really"), 0o644))
	for _, c := range []struct {
		name, path string
		is         error
		contains   string
	}{
		{"no directory", filepath.Join(folder, "missing", "leases.db"), fs.ErrNotExist, "missing"},
		{"not a database", text, ErrNotDatabase, "not an SQLite database"},
		{"a directory", folder, nil, "not a regular file"},
		{"a file as directory", filepath.Join(text, "leases.db"), nil, "not a directory"},
		{"empty", "", nil, "empty path"},
		{"NUL", "a\x00b", nil, "NUL"},
		{"URI", "file:leases.db", nil, "not a URI"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(t.Context(), c.path, Options{})
			require.ErrorContains(t, err, c.contains)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
		})
	}
	content, err := os.ReadFile(text)
	require.NoError(t, err)
	require.Contains(t, string(content), "this is not a database", "what is no database is left alone")
}

func TestOpenEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, newPath(t), Options{})
	require.ErrorIs(t, err, context.Canceled)
}

// An application may bring a driver whose errors have another shape.
func TestResultCodeOfOtherDrivers(t *testing.T) {
	wrap := func(err error) error { return errors.Join(errors.New("doing"), err) }
	require.Equal(t, codeBusy, resultCode(mattnError{Code: 5}))
	require.Equal(t, codeBusy, resultCode(&ncrucesError{code: 5}))
	require.Equal(t, codeIO, resultCode(modernError(codeIO|3<<8)))
	require.Equal(t, codeBusy, resultCode(wrap(modernError(codeBusy|2<<8))))
	require.Zero(t, resultCode(errors.New("Code")))
	require.Zero(t, resultCode(nil))
}

type mattnNumber int

type mattnError struct{ Code mattnNumber }

func (mattnError) Error() string { return "database is locked" }

type ncrucesError struct{ code uint8 }

func (*ncrucesError) Error() string { return "database is locked" }
func (e *ncrucesError) Code() uint8 { return e.code }

type modernError int

func (modernError) Error() string { return "database is locked" }
func (e modernError) Code() int   { return int(e) }
