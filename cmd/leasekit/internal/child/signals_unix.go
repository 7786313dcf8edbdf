//go:build unix

package child

import (
	"os"
	"os/signal"
	"syscall"
)

// Notify relays the signals that a command is to get. What the process was
// started to ignore (nohup) stays ignored.
func Notify(c chan<- os.Signal) {
	for number := 1; number < maxSignal; number++ {
		s := syscall.Signal(number)
		switch s {
		case syscall.SIGKILL, syscall.SIGSTOP: // cannot be caught
		case syscall.SIGCHLD, syscall.SIGURG: // of this process's own: its child, its scheduler
		case syscall.SIGPIPE, syscall.SIGTTIN, syscall.SIGTTOU: // likewise: its own reading and writing
		case syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGSYS:
			// Of its own faults; without a handler somebody else's kill does the same.
		default:
			if !signal.Ignored(s) {
				signal.Notify(c, s)
			}
		}
	}
}

// maxSignal is beyond the real-time signals of all systems.
const maxSignal = 65

// Ends reports whether a signal ends a process that does not handle it, and so
// ends a wait.
func Ends(s os.Signal) bool {
	switch s {
	case syscall.SIGCONT, syscall.SIGWINCH, syscall.SIGTSTP:
		return false
	}
	return true
}

// Stops reports whether a signal is that of Ctrl-Z.
func Stops(s os.Signal) bool { return s == syscall.SIGTSTP }

// StopSelf stops this process as the signal of Ctrl-Z does.
func StopSelf() { _ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) }

// Status is the exit status of a process that the signal ended.
func Status(s os.Signal) int {
	if number, ok := s.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return 1
}
