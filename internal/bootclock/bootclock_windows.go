package bootclock

import (
	"syscall"
	"time"
	"unsafe"
)

// Shared says that all processes of the machine read the same clock.
const Shared = true

// noise is how far two readings of the system's clocks may be apart without a
// suspension between them: GetTickCount64 moves in steps of 16 ms.
const noise = 50 * time.Millisecond

var (
	kernel32                = syscall.NewLazyDLL("kernel32.dll")
	getTickCount64          = kernel32.NewProc("GetTickCount64")             // counts suspend
	queryUnbiasedInterrupts = kernel32.NewProc("QueryUnbiasedInterruptTime") // does not
)

func sinceBoot() time.Duration {
	ms, _, _ := getTickCount64.Call()
	return time.Duration(ms) * time.Millisecond
}

func suspended() time.Duration {
	var running uint64 // of 100 ns
	if ok, _, _ := queryUnbiasedInterrupts.Call(uintptr(unsafe.Pointer(&running))); ok == 0 {
		return 0
	}
	return sinceBoot() - time.Duration(running)*100*time.Nanosecond
}

// BootID names the start of the machine since when the clock counts. Windows
// has no name for it.
func BootID() string { return "" }
