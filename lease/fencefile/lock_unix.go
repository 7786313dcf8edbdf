//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package fencefile

import (
	"errors"
	"os"
	"syscall"
)

const (
	lockable  = true
	syncsDirs = true
)

// lock locks a file until it is closed or the process is dead; busy says that
// somebody else has the lock. flock belongs to the open file, so it also keeps
// goroutines apart.
func lock(f *os.File) (busy bool, err error) {
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return true, nil
	}
	return false, &os.PathError{Op: "flock", Path: f.Name(), Err: err}
}
