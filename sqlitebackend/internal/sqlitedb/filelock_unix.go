//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package sqlitedb

import (
	"errors"
	"os"
	"syscall"
)

const flockWorks = true

// tryLockFile takes the lock if that needs no waiting. A file system without
// such locks counts as free: SQLite's own lock decides then.
func tryLockFile(file *os.File) bool {
	err := flock(file, syscall.LOCK_EX|syscall.LOCK_NB)
	return !errors.Is(err, syscall.EWOULDBLOCK)
}

// lockFile waits for the lock.
func lockFile(file *os.File) { _ = flock(file, syscall.LOCK_EX) }

func unlockFile(file *os.File) { _ = flock(file, syscall.LOCK_UN) }

// giveLike gives the file the owner and group of another one, if we may.
func giveLike(file *os.File, other os.FileInfo) {
	if s, ok := other.Sys().(*syscall.Stat_t); ok {
		if file.Chown(int(s.Uid), int(s.Gid)) != nil {
			_ = file.Chown(-1, int(s.Gid)) // a group that we are in
		}
	}
}

func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
