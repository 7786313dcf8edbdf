package postgresbackend

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leasekit/leasekit/lease"
)

// Why a database cannot be used. They come inside an [*OpenError]; what the
// server said is in the chain too (a [*pgconn.PgError]).
var (
	// ErrUnsupported: the pool is not one of pgx, the server is older than
	// PostgreSQL 13, a replica, or its encoding is not UTF-8.
	ErrUnsupported = errors.New("database cannot be used")
	// ErrNewerSchema: a newer version of Leasekit has changed the tables.
	ErrNewerSchema = errors.New("schema is newer than this program")
)

// OpenError says why a database could not be used.
type OpenError struct {
	Database string // the server, the database and the schema
	Err      error
}

// Error names the database and the cause.
func (e *OpenError) Error() string {
	return fmt.Sprintf("postgresbackend: open %s: %v", e.Database, e.Err)
}

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// MigrationError says which migration failed. Nothing of it was kept, the
// failure is recorded in lease_migrations, and the next open tries again.
type MigrationError struct {
	Version int
	Name    string
	Err     error
}

// Error names the migration and the cause.
func (e *MigrationError) Error() string {
	return fmt.Sprintf("postgresbackend: migration %04d_%s: %v", e.Version, e.Name, e.Err)
}

// Unwrap returns the cause.
func (e *MigrationError) Unwrap() error { return e.Err }

// errReplica: what is read may be old, and nothing can be written.
var errReplica = fmt.Errorf("%w: the server is a replica", ErrUnsupported)

// errNamespaceGone: somebody has deleted rows of ours. To go on with new
// counters would hand out old tokens again.
var errNamespaceGone = errors.New("the namespace's counters have been deleted")

// unavailable wraps a failure that is not the doing of an operation.
func unavailable(doing string, err error) error {
	if fromReplica(err) {
		err = fmt.Errorf("%w: %w", errReplica, err)
	}
	return &lease.UnavailableError{Op: doing, Err: err}
}

// Codes of PostgreSQL (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeUnsupported   = "0A000" // BEGIN READ WRITE on a replica
	codeReadOnly      = "25006"
	codeNoTable       = "42P01"
	codeNoSchema      = "3F000"

	routineOldPlan = "RevalidateCachedQuery"
)

// code returns the server's code in the error's chain, "" if the server did not
// say one.
func code(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}

// fromReplica reports whether an error is that of a server that only reads. Its
// code alone does not say so: a plan that is out of date has the same.
func fromReplica(err error) bool {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return false
	}
	return said.Code == codeReadOnly || said.Code == codeUnsupported && said.Routine != routineOldPlan
}

// mayRetry reports whether the server has rolled back a transaction for a reason
// that does not lie in it.
func mayRetry(err error) bool {
	c := code(err)
	return c == codeSerialization || c == codeDeadlock
}

// fatal reports whether the server has ended the connection.
func fatal(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && (said.SeverityUnlocalized == "FATAL" || said.SeverityUnlocalized == "PANIC" ||
		said.SeverityUnlocalized == "" && said.Severity != "ERROR")
}

// isOwn reports whether a failure lies in what an operation wrote, so that the
// others of its batch may do without it: wrong data, a broken constraint, a limit
// of a type. Everything else lies with the server or the connection.
func isOwn(err error) bool {
	c := code(err)
	if len(c) != 5 {
		return c == "" && !errors.Is(err, lease.ErrUnavailable) && !isConnection(err)
	}
	switch c[:2] {
	case "22", "23", "54":
		return true
	}
	return false
}

// isConnection reports whether a failure is one of the connection.
func isConnection(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &network) || pgconn.SafeToRetry(err)
}

// broke reports whether an error says that a connection has ended, so that another
// may do better.
func broke(err error) bool { return isConnection(err) || fatal(err) }
