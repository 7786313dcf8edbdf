//go:build unix

package hook

import (
	"errors"
	"os"
	"syscall"
)

// lockFile waits until no other process holds the file's lock, and takes it.
// The lock ends with the process, whatever ends that.
func lockFile(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return func() { _ = f.Close() }, nil
}
