package sqlitedb

import (
	"os"
	"strings"
	"syscall"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A POSIX lock is gone as soon as its process closes any descriptor of the file:
// a program that reads leases.db, -wal or -shm by its own means (a tree walk, an
// indexer, a backup) drops SQLite's locks on it. Locks of an open file
// description (OFD) do not have that fault, and they exclude POSIX locks of other
// processes as these exclude each other.
//
// The driver takes OFD locks on the database file when asked to, but not on
// -shm, where the locks of WAL mode are: without them the next process to open
// the file would take it for unused and make a new -shm under everybody. So the
// system call itself is replaced, by the means that SQLite has for that. The
// kind of locks is fixed when the process takes its first one, so this is done
// before main begins. The driver's own variable turns it off.
func init() {
	if off := os.Getenv("MODERNC_SQLITE_OFD_LOCK"); strings.HasPrefix(off, "0") {
		return
	}
	if _, err := sqlite.OFDLocking(true); err == nil {
		replaceFcntl()
	}
}

// Commands of fcntl(2).
const (
	getOFDLock = 36
	setOFDLock = 37
)

func replaceFcntl() {
	tls := libc.NewTLS()
	defer tls.Close()
	if sqlite3.Xsqlite3_initialize(tls) != sqlite3.SQLITE_OK {
		return
	}
	found := sqlite3.Xsqlite3_vfs_find(tls, 0)
	name, err := libc.CString("fcntl")
	if found == 0 || err != nil {
		return
	}
	defer libc.Xfree(tls, name)
	vfs := *(**sqlite3.Tsqlite3_vfs)(unsafe.Pointer(&found))
	if vfs.FxSetSystemCall == 0 {
		return
	}
	set := *(*func(*libc.TLS, uintptr, uintptr, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{vfs.FxSetSystemCall}))
	set(tls, found, name, *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, int32, int32, uintptr) int32
	}{fcntl})))
}

// fcntl is SQLite's fcntl with OFD locks in place of POSIX ones. arguments is
// the variable part of C's arguments: here a pointer to a struct flock.
func fcntl(tls *libc.TLS, descriptor, command int32, arguments uintptr) int32 {
	var ofd int32
	switch command {
	case sqlite3.F_GETLK:
		ofd = getOFDLock
	case sqlite3.F_SETLK:
		ofd = setOFDLock
	default:
		return libc.Xfcntl(tls, descriptor, command, arguments)
	}
	lock := **(***sqlite3.Tflock)(unsafe.Pointer(&arguments))
	lock.Fl_pid = 0 // or the kernel refuses
	result := libc.Xfcntl(tls, descriptor, ofd, arguments)
	if result < 0 && errno(tls) == int32(syscall.EINVAL) { // this file system has none
		return libc.Xfcntl(tls, descriptor, command, arguments)
	}
	return result
}

func errno(tls *libc.TLS) int32 {
	at := libc.X__errno_location(tls)
	return **(**int32)(unsafe.Pointer(&at))
}
