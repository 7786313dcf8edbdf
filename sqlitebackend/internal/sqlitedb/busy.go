package sqlitedb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// retryBusy repeats try while another connection holds SQLite's lock, until
// [busyPatience] has passed or ctx ends. SQLite's own busy handler is not used
// for writes: it sleeps ever longer and so starves whole processes, and it
// does not hear of ctx.
func retryBusy(ctx context.Context, try func() error) error {
	const longest = 8 * time.Millisecond
	deadline := time.Now().Add(busyPatience)
	for pause := time.Millisecond; ; pause = min(2*pause, longest) {
		err := try()
		if !isBusy(err) || !time.Now().Before(deadline) {
			return err
		}
		if ctxErr := sleep(ctx, rand.N(pause)); ctxErr != nil {
			return fmt.Errorf("%w (%w)", ctxErr, err)
		}
	}
}

// sleep waits for d and returns nil, or returns ctx's error if that ends
// earlier.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
