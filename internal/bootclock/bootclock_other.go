//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !windows

package bootclock

import "time"

// Shared says that all processes of the machine read the same clock: here each
// has its own, since the system has none that counts suspend.
const Shared = false

const noise = time.Millisecond

func sinceBoot() time.Duration { return 0 }

func suspended() time.Duration { return 0 }

// BootID names the start of the machine since when the clock counts. It is not
// known here.
func BootID() string { return "" }
