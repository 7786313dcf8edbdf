// Package sqlitedb is what package sqlitebackend knows of SQLite, and nothing
// of leases: how a database is opened and checked, its migrations, the one
// connection that writes with the group commit of its callers, the lock by which
// processes take turns, and how the commits of others are noticed.
//
// A [Database] is opened with [Open] or [Adopt] and brought up to date with
// [Database.Migrate]. A [Writer] makes every change to it; reads that need not
// wait for writers use [Database.Reader]; a [Poller] notices the commits of
// other processes.
package sqlitedb

import (
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// Database is an SQLite database with its connections: our own pools, or the
// pool of an application.
//
// The writer has one connection to itself for as long as it lives (dedicated),
// so that it can keep prepared statements and settings of its own. Only where
// a pool is too small for that, and in memory, it borrows one for each batch.
type Database struct {
	name     string   // for messages: what the caller knows the database by
	file     string   // as SQLite has resolved it; empty for a database in memory
	writer   *bun.DB  // where the writer's connection comes from
	reader   *bun.DB  // for reads outside of the writer; may be the same pool
	owned    bool     // the pools are ours, to be closed
	borrow   bool     // the writer gives its connection back after each batch
	pragmas  []string // settings of a dedicated connection for writing
	lock     *fileLock
	patience string    // PRAGMA that gives an application's connections their busy_timeout back
	identity *identity // nil: not to be looked up
}

// Options of a database.
type Options struct {
	// Normal leaves the last commits to the operating system
	// (PRAGMA synchronous = NORMAL) instead of waiting until they are on the disk
	// (FULL).
	Normal bool
	// Network allows a file on a network file system.
	Network bool
}

// synchronous returns the value of PRAGMA synchronous, by name and as the number
// that it reports: the higher, the safer.
func (o Options) synchronous() (name string, level int) {
	if o.Normal {
		return "NORMAL", 1
	}
	return "FULL", 2
}

const (
	// busyPatience is how long a write keeps asking for SQLite's write lock
	// before it reports that the store is unavailable. Other processes of
	// Leasekit hold the lock for milliseconds; this is for the others.
	busyPatience = 10 * time.Second
	// readPatience is the busy_timeout of our own readers. In WAL mode they
	// wait only while a file is being recovered after a crash.
	readPatience = 5 * time.Second
)

// Name is what the caller knows the database by: for messages.
func (d *Database) Name() string { return d.name }

// Reader is the pool for reads outside of the writer.
func (d *Database) Reader() *bun.DB { return d.reader }

// Close gives up the file lock, and closes the pools if they are ours. Close the
// writers first.
func (d *Database) Close() error {
	err := d.lock.close()
	if !d.owned {
		return err
	}
	if d.reader != nil && d.reader != d.writer {
		err = errors.Join(err, d.reader.Close())
	}
	return errors.Join(err, d.writer.Close())
}
