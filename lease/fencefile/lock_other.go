//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package fencefile

import (
	"errors"
	"os"
)

const (
	lockable  = false
	syncsDirs = false
)

// tryOpenLocked is never reached: Open refuses such a system.
func tryOpenLocked(string) (f *os.File, busy bool, err error) {
	return nil, false, errors.ErrUnsupported
}
