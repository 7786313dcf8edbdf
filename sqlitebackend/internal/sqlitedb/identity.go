package sqlitedb

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
)

// SQLite goes on with a file that has been removed, replaced or restored from a
// backup: it has the old one open, which no other process finds any more. So it
// is looked up again, by its name, in every batch and every look, whether the
// files are still the ones that were opened.

// FileError says that a file of the database is not the one that was opened, or
// is not safe to use. Nothing is granted, renewed or told from such a file until
// it is opened anew; what was granted before runs out.
type FileError struct {
	Path    string
	Problem FileProblem
}

// FileProblem is what happened to a file.
type FileProblem string

// What can happen to a file.
const (
	Removed        FileProblem = "was removed"
	Replaced       FileProblem = "was replaced by another file"
	SecondName     FileProblem = "has a second name (a hard link): the processes that use it by the other one have another -wal"
	MountedAlone   FileProblem = "is mounted by itself: mount its directory, so that -wal and -shm are shared too"
	NetworkStorage FileProblem = "is on a network file system, where SQLite's locks do not work"
)

// Error names the file and says what happened.
func (e *FileError) Error() string { return fmt.Sprintf("%s %s", e.Path, e.Problem) }

// fileID tells files apart.
type fileID struct{ device, inode uint64 }

// identity is what the files of a database were when they were opened.
type identity struct {
	path    string
	walPath string
	file    fileID
	wal     atomic.Pointer[fileID] // nil: none is to be expected
}

// identify records what the database file is, and refuses one that is known by
// two names.
func (d *Database) identify() error {
	if d.file == "" || !filesHaveIDs {
		return nil
	}
	id, links, err := statFile(d.file, new(fileStatus))
	switch {
	case err != nil:
		return err
	case links > 1:
		return &FileError{Path: d.file, Problem: SecondName}
	}
	d.identity = &identity{path: d.file, walPath: d.file + "-wal", file: id}
	return nil
}

// identifyWAL records what -wal is. It is called with a connection open that
// keeps it from being made anew.
func (d *Database) identifyWAL() error {
	if d.identity == nil {
		return nil
	}
	id, _, err := statFile(d.file+"-wal", new(fileStatus))
	if err != nil {
		return d.identity.explain("-wal", err)
	}
	d.identity.wal.Store(&id)
	return nil
}

// Check returns a [*FileError], as [lease.ErrUnavailable], if a file of the
// database is not the one that was opened.
func (d *Database) Check() error { return d.check(new(fileStatus)) }

// check is Check with room for what the system says.
func (d *Database) check(room *fileStatus) error {
	if d.identity == nil {
		return nil
	}
	if err := d.identity.check(room); err != nil {
		return Unavailable("file", err)
	}
	return nil
}

func (i *identity) check(room *fileStatus) error {
	id, links, err := statFile(i.path, room)
	switch {
	case err != nil:
		return i.explain("", err)
	case id != i.file:
		return &FileError{Path: i.path, Problem: Replaced}
	case links > 1:
		return &FileError{Path: i.path, Problem: SecondName}
	}
	want := i.wal.Load()
	if want == nil {
		return nil
	}
	if id, _, err = statFile(i.walPath, room); err != nil {
		return i.explain("-wal", err)
	}
	if id != *want {
		return &FileError{Path: i.walPath, Problem: Replaced}
	}
	return nil
}

func (i *identity) explain(suffix string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &FileError{Path: i.path + suffix, Problem: Removed}
	}
	return err
}
