package sqlitebackend

import (
	"fmt"

	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Why a database cannot be used. They come inside an [*OpenError]; a directory
// that does not exist is [io/fs.ErrNotExist].
var (
	// ErrNotDatabase: the file is something else, or damaged beyond reading.
	ErrNotDatabase = sqlitedb.ErrNotDatabase
	// ErrReadOnly: the file or its directory cannot be written.
	ErrReadOnly = sqlitedb.ErrReadOnly
	// ErrUnsafeSettings: the database or its connections are set up in a way
	// that would lose leases, or errors would reach the application.
	ErrUnsafeSettings = sqlitedb.ErrUnsafeSettings
	// ErrNewerSchema: a newer version of Leasekit has changed the tables.
	ErrNewerSchema = sqlitedb.ErrNewerSchema
)

// OpenError says which database could not be used, and why.
type OpenError struct {
	Path string // as given to Open, the file of the application's database, or ":memory:"
	Err  error
}

// Error names the file and the cause.
func (e *OpenError) Error() string { return fmt.Sprintf("sqlitebackend: open %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// FileError says that a file of the database (Path) is not the one that was
// opened, or not safe to use, and why (Problem). Such a file grants and renews
// nothing and answers no look until it is opened anew; what was granted before
// runs out. It comes inside a [lease.UnavailableError], or an [*OpenError].
type FileError = sqlitedb.FileError

// FileProblem is what happened to a file.
type FileProblem = sqlitedb.FileProblem

// The problems of a [FileError].
const (
	FileRemoved      = sqlitedb.Removed        // by rm, git clean -fdx, ...
	FileReplaced     = sqlitedb.Replaced       // renamed over, restored from a backup, made anew
	FileSecondName   = sqlitedb.SecondName     // a hard link
	FileMountedAlone = sqlitedb.MountedAlone   // a container was given the file and not its directory
	FileOnNetwork    = sqlitedb.NetworkStorage // see Options.NetworkFileSystem
)

// MigrationError says which migration failed, by its Version (int), its Name
// and the cause (Err). Nothing of it was kept, the failure is recorded in
// lease_migrations, and the next open tries again.
type MigrationError = sqlitedb.MigrationError
