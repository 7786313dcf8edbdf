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

// tryOpenLocked is openLocked without waiting; busy says that somebody has the
// lock. flock belongs to the open file, so it also keeps goroutines apart.
func tryOpenLocked(name string) (f *os.File, busy bool, err error) {
	f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, false, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return f, false, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, true, nil
	}
	return nil, false, &os.PathError{Op: "flock", Path: name, Err: err}
}
