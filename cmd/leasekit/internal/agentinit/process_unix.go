//go:build unix

package agentinit

import (
	"errors"
	"syscall"
)

// processExists reports whether a process is there, whoever owns it.
func processExists(pid int) bool {
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
