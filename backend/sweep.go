package backend

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/leasekit/leasekit/lease"
)

const (
	sweepStep  = 256                  // what one call of Store.Sweep may do
	sweepPause = 5 * time.Millisecond // between the steps of a background sweep, for others to be served
	// configAge is how old the copy of the configuration may grow in an engine
	// that is not called.
	configAge = time.Minute
)

// sweep repeats Store.Sweep until there is nothing more to do.
func (e *engine) sweep(ctx context.Context, op string, between time.Duration) (lease.SweepResult, error) {
	var sum lease.SweepResult
	begin := time.Now()
	err := func() error {
		for {
			start := lease.Clock()
			reply, err := e.store.Sweep(ctx, sweepStep)
			e.called(ctx, op, start, err)
			if err != nil {
				return storeError(ctx, op, err)
			}
			sum.Expired += reply.Result.Expired
			sum.Lapsed += reply.Result.Lapsed
			sum.Forgotten += reply.Result.Forgotten
			sum.Trimmed += reply.Result.Trimmed
			switch {
			case !reply.More:
				return nil
			case e.closed():
				return closedError(op)
			case ctx.Err() != nil, between > 0 && !pause(ctx, between):
				return endedError(ctx, op)
			}
		}
	}()
	if e.observer.Swept != nil {
		defer forgive(ctx)
		e.observer.Swept(ctx, sum, time.Since(begin), err)
	}
	return sum, err
}

// sweepOften sweeps every Config.SweepInterval, jittered by a tenth so that
// processes started together drift apart, while Config.AutoSweep is on. A
// change of either is obeyed at once if this engine knows of it (each call
// tells), and within a minute otherwise: then it reads the configuration
// itself. An engine that is never called first does so after a minute. Errors
// are the observer's (StoreCall); the next round comes as usual.
func (e *engine) sweepOften() {
	ctx := alone(e.closing)
	swept, jitter := time.Now(), newJitter()
	read := swept
	for {
		wake := read.Add(configAge)
		due := func() (time.Time, bool) {
			c := e.settings.current.Load()
			if c == nil || !c.AutoSweep {
				return time.Time{}, false
			}
			return swept.Add(time.Duration(float64(c.SweepInterval) * jitter)), true
		}
		if at, on := due(); on && at.Before(wake) {
			wake = at
		}
		timer := time.NewTimer(time.Until(wake))
		select {
		case <-timer.C:
		case <-e.settings.changed:
			timer.Stop()
			continue
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if now := time.Now(); !now.Before(read.Add(configAge)) {
			_, _ = e.readConfig(ctx, "sweep") // the next round tries again
			read = now
		}
		if at, on := due(); on && !time.Now().Before(at) {
			_, _ = e.sweep(ctx, "sweep", sweepPause)
			swept, jitter = time.Now(), newJitter()
		}
	}
}

// newJitter returns a factor between 0.9 and 1.1.
func newJitter() float64 { return 0.9 + 0.2*rand.Float64() }
