package fencefile

import (
	"errors"
	"os"
	"syscall"
)

const (
	lockable  = true
	syncsDirs = false // there is no way to, and MoveFileEx needs none
)

const errorSharingViolation = syscall.Errno(32)

// tryOpenLocked is openLocked without waiting; busy says that somebody has the
// lock, which here is to have the file open: it is shared with nobody.
func tryOpenLocked(name string) (f *os.File, busy bool, err error) {
	wide, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, false, err
	}
	handle, err := syscall.CreateFile(wide, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case err == nil:
		return os.NewFile(uintptr(handle), name), false, nil
	case errors.Is(err, errorSharingViolation):
		return nil, true, nil
	}
	return nil, false, &os.PathError{Op: "open", Path: name, Err: err}
}
