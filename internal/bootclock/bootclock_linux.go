package bootclock

import (
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Shared says that all processes of the machine, containers included, read
// the same clock.
const Shared = true

// noise is how far two readings of the system's clocks may be apart without a
// suspension between them.
const noise = time.Millisecond

// The clocks of clock_gettime(2).
const (
	clockMonotonic = 1 // does not count suspend
	clockBoottime  = 7 // counts it
)

func read(clock uintptr) time.Duration {
	var t syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0 // a kernel older than 2.6.39: suspend is not counted
	}
	return time.Duration(t.Nano())
}

func sinceBoot() time.Duration { return read(clockBoottime) }

// suspended returns how long the machine was suspended, at most: what passes
// between the two readings is taken off again by reading until it is little.
func suspended() time.Duration {
	for range 8 {
		before := read(clockMonotonic)
		boot := read(clockBoottime)
		if after := read(clockMonotonic); after-before < noise/2 {
			return boot - before
		}
	}
	return read(clockBoottime) - read(clockMonotonic)
}

// BootID names the start of the machine since when the clock counts. It is ""
// where that is not known.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
