package fencefile

import (
	"context"
	"os"
	"time"
)

// openLocked opens a file, which it makes if need be, and locks it until it is
// closed or the process is dead. It waits for whoever has the lock, until ctx
// ends.
func openLocked(ctx context.Context, name string) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Asked for again and again, since a wait in the system cannot be cancelled.
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		f, busy, err := tryOpenLocked(name)
		if !busy {
			return f, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}
