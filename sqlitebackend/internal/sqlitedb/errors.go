package sqlitedb

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"

	"github.com/leasekit/leasekit/lease"
)

// Why a database cannot be used. A directory that does not exist is
// [io/fs.ErrNotExist].
var (
	ErrNotDatabase    = errors.New("not an SQLite database")
	ErrReadOnly       = errors.New("file or directory is read-only")
	ErrUnsafeSettings = errors.New("unsafe settings")
	ErrNewerSchema    = errors.New("schema is newer than this program")
)

// MigrationError says which migration failed. Nothing of it was kept, the
// failure is recorded in lease_migrations, and the next open tries again.
type MigrationError struct {
	Version int
	Name    string
	Err     error
}

// Error names the migration and the cause.
func (e *MigrationError) Error() string {
	return fmt.Sprintf("sqlitebackend: migration %04d_%s: %v", e.Version, e.Name, e.Err)
}

// Unwrap returns the cause.
func (e *MigrationError) Unwrap() error { return e.Err }

// Unavailable wraps a failure that is not the doing of the operation.
func Unavailable(doing string, err error) error {
	return &lease.UnavailableError{Op: doing, Err: err}
}

// Primary result codes of SQLite (https://www.sqlite.org/rescode.html), as
// every driver reports them.
const (
	codePermission = 3
	codeBusy       = 5
	codeLocked     = 6
	codeNoMemory   = 7
	codeReadOnly   = 8
	codeInterrupt  = 9
	codeIO         = 10
	codeCorrupt    = 11
	codeFull       = 13
	codeCannot     = 14 // SQLITE_CANTOPEN
	codeProtocol   = 15
	codeNotADB     = 26
)

// resultCode returns SQLite's primary result code in the error's chain, 0 if
// there is none. An application may bring its own driver to New: modernc and
// ncruces have a Code method, mattn a Code field, each of a type of its own,
// which is why this looks at the shape of the error and not at its type.
func resultCode(err error) int {
	var coded interface{ Code() int } // modernc.org/sqlite
	if errors.As(err, &coded) {
		return coded.Code() & 0xff
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if code := codeByShape(reflect.ValueOf(err)); code != 0 {
			return code & 0xff
		}
	}
	return 0
}

func codeByShape(v reflect.Value) int {
	code := reflect.Value{}
	if m := v.MethodByName("Code"); m.IsValid() && m.Type().NumIn() == 0 && m.Type().NumOut() == 1 {
		code = m.Call(nil)[0]
	} else if s := reflect.Indirect(v); s.Kind() == reflect.Struct {
		code = s.FieldByName("Code")
	}
	switch {
	case code.IsValid() && code.CanInt():
		return int(code.Int())
	case code.IsValid() && code.CanUint():
		return int(code.Uint() & 0xff)
	}
	return 0
}

// isBusy reports whether another connection held the lock that was needed.
func isBusy(err error) bool { return err != nil && resultCode(err) == codeBusy }

// isSystemic reports whether the failure lies with the disk, the file or the
// connection, so that trying the next operation, or this one alone, is no use.
// Everything else (a constraint, a wrong type) is the operation's own.
func isSystemic(err error) bool {
	switch resultCode(err) {
	case codeBusy, codeLocked, codeNoMemory, codeReadOnly, codeInterrupt, codeIO,
		codeCorrupt, codeFull, codeCannot, codeProtocol, codeNotADB:
		return true
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}
