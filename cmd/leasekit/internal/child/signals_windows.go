package child

import (
	"os"
	"os/signal"
	"syscall"
)

// Notify relays Ctrl-C, Ctrl-Break, and the end of the session.
func Notify(c chan<- os.Signal) { signal.Notify(c, os.Interrupt, syscall.SIGTERM) }

// Ends is always true: each of these signals ends a process.
func Ends(os.Signal) bool { return true }

// Stops is always false.
func Stops(os.Signal) bool { return false }

// StopSelf does nothing.
func StopSelf() {}

// Status is the exit status of a process that the signal ended.
func Status(s os.Signal) int {
	if number, ok := s.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return 1
}
