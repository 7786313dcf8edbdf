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

// lock is never reached: Open refuses such a system.
func lock(*os.File) (busy bool, err error) { return false, errors.ErrUnsupported }
