package sqlitedb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// fileLock is the fair queue of processes to the writer of one database file: an
// advisory lock on a side file, held around each batch. SQLite's own lock is
// enough for correctness, but who waits for it sleeps and looks again, ever
// more rarely, so that one busy process can starve the others for seconds. A
// lock that the kernel queues for is fair, costs a microsecond when it is
// free, and is gone when its process is.
//
// The handles that one process has on one file share a fileLock and take turns
// by a channel: only one of them at a time waits in the kernel. That also keeps
// two handles in a testing/synctest bubble from deadlocking, where a goroutine
// in a system call stops the clock that another one sleeps by.
//
// A nil fileLock is always free: there is none in memory, nor where the system
// or the file system has no such lock.
type fileLock struct {
	file *os.File
	info os.FileInfo
	turn chan struct{} // holds one element while somebody has, or waits for, the lock

	handles int // guarded by fileLocks.mutex
}

// fileLocks of this process. They are shared by the file that they lock, whatever
// the path that led to it.
var fileLocks struct {
	mutex sync.Mutex
	open  []*fileLock
}

// lockPatience is how long closing waits for a lock that is being waited for.
const lockPatience = time.Second

// openFileLock returns the lock of the database file, made beside it with its
// permissions. Close it with close.
func openFileLock(databaseFile string) (*fileLock, error) {
	if databaseFile == "" || !flockWorks {
		return nil, nil
	}
	file, err := openBeside(databaseFile, "-gate")
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}

	fileLocks.mutex.Lock()
	defer fileLocks.mutex.Unlock()
	for _, l := range fileLocks.open {
		if os.SameFile(l.info, info) {
			l.handles++
			return l, file.Close()
		}
	}
	l := &fileLock{file: file, info: info, turn: make(chan struct{}, 1), handles: 1}
	fileLocks.open = append(fileLocks.open, l)
	return l, nil
}

// openBeside opens a side file of the database file, for locks only, and makes
// it if need be. It gets the owner, as far as we may give it away, and the
// permissions of the database file whatever the umask: who may use that may use
// this.
func openBeside(databaseFile, suffix string) (*os.File, error) {
	info, err := os.Stat(databaseFile)
	if err != nil {
		return nil, err
	}
	path := databaseFile + suffix
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	switch {
	case err == nil:
		giveLike(file, info)
		return file, file.Chmod(info.Mode().Perm())
	case errors.Is(err, fs.ErrExist):
		file, err = os.OpenFile(path, os.O_RDWR, 0)
	}
	if errors.Is(err, fs.ErrPermission) {
		file, err = os.Open(path) // locking needs no more
	}
	return file, err
}

// lock waits for the lock, until ctx ends. Without an error, unlock follows.
func (l *fileLock) lock(ctx context.Context) error {
	if l == nil {
		return nil
	}
	select {
	case l.turn <- struct{}{}:
	default:
		select {
		case l.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if tryLockFile(l.file) {
		return nil
	}
	// The system call cannot be interrupted, so it runs beside us. If we have
	// gone when it returns, it hands the turn on.
	entered := make(chan struct{})
	go func() {
		lockFile(l.file)
		select {
		case entered <- struct{}{}:
		case <-ctx.Done():
			l.unlock()
		}
	}()
	select {
	case <-entered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unlock lets the next one in.
func (l *fileLock) unlock() {
	if l == nil {
		return
	}
	unlockFile(l.file)
	<-l.turn
}

// close gives up a handle; the last one closes the file. If the lock is still
// being waited for because another process keeps it (stopped in a debugger,
// perhaps), close does not wait for that for long: the file is then closed
// when the wait is over.
func (l *fileLock) close() error {
	if l == nil {
		return nil
	}
	fileLocks.mutex.Lock()
	l.handles--
	last := l.handles == 0
	if last {
		fileLocks.open = slices.DeleteFunc(fileLocks.open, func(other *fileLock) bool { return other == l })
	}
	fileLocks.mutex.Unlock()
	if !last {
		return nil
	}

	patience := time.NewTimer(lockPatience)
	defer patience.Stop()
	select {
	case l.turn <- struct{}{}:
		return l.file.Close()
	case <-patience.C:
		go func() {
			l.turn <- struct{}{}
			_ = l.file.Close() // only ever locked, never written
		}()
		return nil
	}
}
