//go:build darwin || freebsd || netbsd || openbsd

package bootclock

import (
	"encoding/binary"
	"strconv"
	"syscall"
	"time"
)

// Shared says that all processes of the machine read the same clock.
const Shared = true

// noise is how far two readings of the system's clocks may be apart without a
// suspension between them.
const noise = 20 * time.Millisecond

// bootedAt returns kern.boottime: the wall clock when the machine started. The
// kernel moves it along when the wall clock is stepped, so that the difference
// to the wall clock is the time since then, suspend included.
func bootedAt() time.Time {
	value, err := syscall.Sysctl("kern.boottime")
	if err != nil {
		return time.Time{}
	}
	var raw [16]byte // struct timeval; Sysctl drops a last NUL
	copy(raw[:], value)
	return time.Unix(int64(binary.NativeEndian.Uint64(raw[:8])), int64(binary.NativeEndian.Uint32(raw[8:12]))*1000)
}

func sinceBoot() time.Duration { return time.Now().Round(0).Sub(bootedAt()) }

// began is what the monotonic clock is counted from.
var began = time.Now()

func suspended() time.Duration {
	var longest time.Duration
	for i := range 3 { // the wall clock may be stepped between two readings
		now := time.Now()
		this := now.Round(0).Sub(bootedAt()) - now.Sub(began)
		if i == 0 || this < longest {
			longest = this
		}
	}
	return longest
}

// BootID names the start of the machine since when the clock counts. The
// system has no name for it that a step of the wall clock does not change.
func BootID() string {
	id, err := syscall.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return strconv.FormatInt(0, 10)
	}
	return id
}
