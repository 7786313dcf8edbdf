package backend

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// settings is the engine's copy of the namespace's configuration. Requests are
// filled in and checked with it, and carry its version; a store refuses one
// with another version (Stale) and sends the current configuration. So a
// change is obeyed by every process at its next call, and no call pays for it.
type settings struct {
	current atomic.Pointer[lease.Config] // nil until it was first read
	notices atomic.Bool                  // ConfigReply.NoticesGone
	changed chan struct{}                // holds a signal after a change, for the sweeper
}

// learn takes over what the store said the configuration was. known is the
// copy that the question was asked with: while that still is the copy, the
// answer is later than it and replaces it, also by an older version (a store
// restored from a backup). Else only a newer version does.
func (s *settings) learn(known *lease.Config, fresh lease.Config) {
	for known == nil || *known != fresh {
		if s.current.CompareAndSwap(known, &fresh) {
			select {
			case s.changed <- struct{}{}:
			default:
			}
			return
		}
		if known = s.current.Load(); fresh.Version <= known.Version {
			return
		}
	}
}

// config returns the copy, and reads it first if there is none.
func (e *engine) config(ctx context.Context, op string) (*lease.Config, error) {
	if c := e.settings.current.Load(); c != nil {
		return c, nil
	}
	if _, err := e.readConfig(ctx, op); err != nil {
		return nil, err
	}
	return e.settings.current.Load(), nil
}

// readConfig reads the configuration from the store, and the copy with it.
func (e *engine) readConfig(ctx context.Context, op string) (lease.Config, error) {
	known, start := e.settings.current.Load(), lease.Clock()
	reply, err := e.store.Config(ctx)
	e.called(ctx, "config", start, err)
	if err != nil {
		return lease.Config{}, storeError(ctx, op, err)
	}
	e.clock.learn(reply.Now)
	e.settings.notices.Store(reply.NoticesGone)
	e.settings.learn(known, reply.Config)
	return reply.Config, nil
}

// current reports whether the copy that a request was found to violate still
// is the configuration. If not, the request must be judged again.
func (e *engine) current(ctx context.Context, op string, c *lease.Config) (bool, error) {
	fresh, err := e.readConfig(ctx, op)
	return err == nil && fresh.Version == c.Version, err
}

// stale takes over the configuration of a reply whose outcome is Stale.
func (e *engine) stale(op string, used, now *lease.Config) error {
	if now == nil || now.Version == used.Version {
		return unexpected(op, "stale without a newer configuration")
	}
	e.settings.learn(used, *now)
	return nil
}

// Config returns the namespace's configuration.
func (e *engine) Config(ctx context.Context) (lease.Config, error) {
	ctx, call, err := e.enter(ctx, "config")
	if err != nil {
		return lease.Config{}, err
	}
	defer call.leave()
	return e.readConfig(ctx, "config")
}

// SetConfig sets it if c.Version is still the current one. Durations are
// rounded up to whole milliseconds.
func (e *engine) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	const op = "set config"
	ctx, call, err := e.enter(ctx, op)
	if err != nil {
		return lease.Config{}, err
	}
	defer call.leave()
	if err := c.Validate(); err != nil {
		return lease.Config{}, err
	}
	for _, d := range []*time.Duration{
		&c.DefaultTTL, &c.KeepTTL, &c.MaxTTL, &c.AcquireTimeout, &c.WaiterTTL, &c.SweepInterval,
		&c.HistoryRetention, &c.EndedRetention, &c.PriorityBoost,
	} {
		*d = roundUp(*d)
	}
	known, start := e.settings.current.Load(), lease.Clock()
	fresh, err := e.store.SetConfig(ctx, c)
	e.called(ctx, op, start, err)
	if err != nil {
		return lease.Config{}, storeError(ctx, op, err)
	}
	e.settings.learn(known, fresh)
	if e.observer.Configured != nil {
		e.observer.Configured(ctx, fresh)
	}
	return fresh, nil
}
