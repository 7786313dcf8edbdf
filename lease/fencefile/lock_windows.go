package fencefile

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

const (
	lockable  = true
	syncsDirs = false // there is no way to, and MoveFileEx needs none
)

const (
	lockExclusive      = 2
	lockNoWait         = 1
	errorLockViolation = syscall.Errno(33)
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// lock locks a file until it is closed or the process is dead; busy says that
// somebody else has the lock. Locks are mandatory here, so what is locked is a
// byte far behind what is read and written.
func lock(f *os.File) (busy bool, err error) {
	at := syscall.Overlapped{OffsetHigh: 1}
	done, _, err := lockFileEx.Call(f.Fd(), lockExclusive|lockNoWait, 0, 1, 0, uintptr(unsafe.Pointer(&at)))
	switch {
	case done != 0:
		return false, nil
	case errors.Is(err, errorLockViolation), errors.Is(err, syscall.ERROR_IO_PENDING):
		return true, nil
	}
	return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
}
