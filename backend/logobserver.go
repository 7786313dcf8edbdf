package backend

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leasekit/leasekit/lease"
)

const (
	longWait = 10 * time.Second // a wait in line that an operator may want to know of
	slowCall = time.Second      // a store call that is slow
	quiet    = 10 * time.Second // the least time between two lines about a store in trouble
	maxClaim = 200              // bytes of a claim in a line
)

// LogObserver returns an Observer that logs what an operator needs to know. A
// nil logger is [slog.Default].
//
//   - Error: the store fails, one line at once and then at most one every 10
//     seconds, with how many calls failed; its token counter went backwards.
//   - Warn: a lease was lost; a request timed out, met a deadlock or a quota, or
//     was refused for another reason than a conflict; a renewal was refused; a
//     lease was ended by force; the store is slow.
//   - Info: the store answers again; a request was granted after 10 seconds in
//     line; a sweep had something to do; the configuration was changed.
//   - Debug: everything else, with each call that failed because of the store.
//
// The attributes are id, holder, claim (the first one, cut off at 200 bytes),
// claims (how many), outcome (see [ErrorLabel]), error, and what the line is
// about. Tokens and labels are never logged. A line has the caller's context, so
// that a handler can add the trace.
func LogObserver(l *slog.Logger) *Observer {
	if l == nil {
		l = slog.Default()
	}
	o := logObserver{log: l, failed: new(seldom), slow: new(seldom)}
	return &Observer{
		Granted:       o.granted,
		Refused:       o.refused,
		Queued:        o.queued,
		Woken:         o.woken,
		LeftQueue:     o.leftQueue,
		Renewed:       o.renewed,
		RenewFailed:   o.renewFailed,
		Released:      o.released,
		ReleaseFailed: o.releaseFailed,
		Lost:          o.lost,
		Forced:        o.forced,
		Withdrawn:     o.withdrawn,
		Swept:         o.swept,
		Configured:    o.configured,
		StoreCall:     o.storeCall,
	}
}

type logObserver struct {
	log          *slog.Logger
	failed, slow *seldom
}

// line logs if the level is on; what builds the attributes runs only then.
func (o logObserver) line(ctx context.Context, level slog.Level, text string, attrs func() []slog.Attr) {
	if o.log.Enabled(ctx, level) {
		o.log.LogAttrs(ctx, level, text, attrs()...)
	}
}

// failure logs that a call returned err: as a warning, unless that is the
// store's trouble, which storeCall has told, or the caller's own doing.
func (o logObserver) failure(ctx context.Context, text string, err error, attrs func() []slog.Attr) {
	label, level := ErrorLabel(err), slog.LevelWarn
	switch label {
	case "conflict", "cancelled", "closed", "unavailable":
		level = slog.LevelDebug
	case "regressed":
		level = slog.LevelError
	}
	o.line(ctx, level, text, func() []slog.Attr {
		return append(attrs(), slog.String("outcome", label), slog.String("error", err.Error()))
	})
}

func (o logObserver) granted(ctx context.Context, l lease.Lease, took time.Duration) {
	o.line(ctx, slog.LevelDebug, "lease granted", func() []slog.Attr {
		return append(about(l.ID, l.Holder, l.Claims),
			slog.Duration("ttl", l.TTL), slog.Duration("waited", l.Waited), slog.Duration("took", took))
	})
}

func (o logObserver) refused(ctx context.Context, r lease.Request, took time.Duration, err error) {
	if errors.Is(err, lease.ErrLost) {
		return // lost has told it
	}
	o.failure(ctx, "lease refused", err, func() []slog.Attr {
		return append(about(r.ID, r.Holder, r.Claims), slog.Duration("took", took))
	})
}

func (o logObserver) queued(ctx context.Context, c *lease.ConflictError) {
	o.line(ctx, slog.LevelDebug, "waiting in line", func() []slog.Attr {
		attrs := append(about(c.ID, c.Holder, c.Claims), slog.Int("position", c.Position))
		if len(c.Blockers) > 0 {
			attrs = append(attrs, slog.String("blocker", c.Blockers[0].Holder), slog.Int("blockers", c.Count))
		}
		return attrs
	})
}

func (o logObserver) woken(ctx context.Context, id lease.ID, why Wakeup) {
	o.line(ctx, slog.LevelDebug, "asking again", func() []slog.Attr {
		return []slog.Attr{slog.String("id", string(id)), slog.String("why", string(why))}
	})
}

func (o logObserver) leftQueue(ctx context.Context, r lease.Request, waited time.Duration, err error) {
	if err != nil || waited < longWait {
		return // refused or granted tells it
	}
	o.line(ctx, slog.LevelInfo, "lease granted after a long wait", func() []slog.Attr {
		return append(about(r.ID, r.Holder, r.Claims), slog.Duration("waited", waited))
	})
}

func (o logObserver) renewed(ctx context.Context, l lease.Lease, took time.Duration) {
	o.line(ctx, slog.LevelDebug, "lease renewed", func() []slog.Attr {
		return append(about(l.ID, l.Holder, l.Claims),
			slog.Int("renewals", l.Renewals), slog.Int("waiters", l.Contention.Waiters), slog.Duration("took", took))
	})
}

func (o logObserver) renewFailed(ctx context.Context, ref lease.Ref, took time.Duration, err error) {
	if errors.Is(err, lease.ErrLost) {
		return
	}
	o.failure(ctx, "lease not renewed", err, func() []slog.Attr {
		return append(about(ref.ID, ref.Holder, nil), slog.Duration("took", took))
	})
}

func (o logObserver) released(ctx context.Context, ref lease.Ref, took time.Duration) {
	o.line(ctx, slog.LevelDebug, "lease released", func() []slog.Attr {
		return append(about(ref.ID, ref.Holder, nil), slog.Duration("took", took))
	})
}

func (o logObserver) releaseFailed(ctx context.Context, ref lease.Ref, took time.Duration, err error) {
	if errors.Is(err, lease.ErrLost) {
		return
	}
	o.failure(ctx, "lease not released", err, func() []slog.Attr {
		return append(about(ref.ID, ref.Holder, nil), slog.Duration("took", took))
	})
}

func (o logObserver) lost(ctx context.Context, err *lease.LostError) {
	o.failure(ctx, "lease lost", err, func() []slog.Attr {
		return append(about(err.Ref.ID, err.Ref.Holder, nil), slog.String("operation", err.Op))
	})
}

func (o logObserver) forced(ctx context.Context, f lease.Revocation, ended []lease.Lease, err error) {
	if err != nil {
		o.failure(ctx, "force release failed", err, func() []slog.Attr { return byForce(f) })
	}
	for _, l := range ended {
		o.line(ctx, slog.LevelWarn, "lease ended by force", func() []slog.Attr {
			return append(about(l.ID, l.Holder, l.Claims), byForce(f)...)
		})
	}
}

func (o logObserver) withdrawn(ctx context.Context, args WithdrawArgs, err error) {
	attrs := func() []slog.Attr {
		return append(about(args.ID, args.Holder, nil), slog.String("why", string(args.Why)))
	}
	if err != nil {
		o.failure(ctx, "attempt not withdrawn", err, attrs)
		return
	}
	o.line(ctx, slog.LevelDebug, "attempt withdrawn", attrs)
}

func (o logObserver) swept(ctx context.Context, r lease.SweepResult, took time.Duration, err error) {
	attrs := func() []slog.Attr {
		return []slog.Attr{
			slog.Int("expired", r.Expired), slog.Int("lapsed", r.Lapsed),
			slog.Int("forgotten", r.Forgotten), slog.Int("trimmed", r.Trimmed), slog.Duration("took", took),
		}
	}
	switch {
	case err != nil:
		o.failure(ctx, "clean-up failed", err, attrs)
	case r != lease.SweepResult{}:
		o.line(ctx, slog.LevelInfo, "cleaned up", attrs)
	default:
		o.line(ctx, slog.LevelDebug, "nothing to clean up", attrs)
	}
}

func (o logObserver) configured(ctx context.Context, c lease.Config) {
	o.line(ctx, slog.LevelInfo, "configuration changed", func() []slog.Attr {
		return []slog.Attr{slog.Uint64("version", c.Version), slog.Any("config", c)}
	})
}

func (o logObserver) storeCall(ctx context.Context, op string, took time.Duration, err error) {
	attrs := func(n int) func() []slog.Attr {
		return func() []slog.Attr {
			all := []slog.Attr{slog.String("operation", op), slog.Duration("took", took), slog.Int("calls", n)}
			if err != nil {
				all = append(all, slog.String("error", err.Error()))
			}
			return all
		}
	}
	switch {
	case StoreFailure(err):
		if n, ok := o.failed.one(); ok {
			o.line(ctx, slog.LevelError, "store failed", attrs(n))
			return
		}
	case err == nil && o.failed.over():
		o.line(ctx, slog.LevelInfo, "store answers again", attrs(1))
		return
	case err == nil && took >= slowCall && op != "events": // events may wait for some
		if n, ok := o.slow.one(); ok {
			o.line(ctx, slog.LevelWarn, "store is slow", attrs(n))
			return
		}
	}
	o.line(ctx, slog.LevelDebug, "store called", attrs(1))
}

// seldom admits one line in a while about what happens often.
type seldom struct {
	on    atomic.Bool // there was a line, and over has not been true since
	mu    sync.Mutex
	line  time.Time // when the last line was
	last  time.Time // when it last happened
	count int       // how often since the last line
}

// one reports whether it is time for a line, and how often it has happened
// since the one before.
func (s *seldom) one() (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.last = time.Now()
	if s.line.IsZero() || s.last.Sub(s.line) >= quiet {
		n := s.count
		s.line, s.count = s.last, 0
		s.on.Store(true)
		return n, true
	}
	return 0, false
}

// over reports, once, that what a line was about has not happened again for
// a second.
func (s *seldom) over() bool {
	if !s.on.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.last) >= time.Second && s.on.CompareAndSwap(true, false)
}

// about returns the attributes of a lease or request.
func about(id lease.ID, holder string, claims []lease.Claim) []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 8), slog.String("id", string(id)), slog.String("holder", holder))
	if len(claims) > 0 {
		first := claims[0].String()
		if len(first) > maxClaim {
			first = strings.ToValidUTF8(first[:maxClaim], "") + "..."
		}
		attrs = append(attrs, slog.String("claim", first), slog.Int("claims", len(claims)))
	}
	return attrs
}

func byForce(f lease.Revocation) []slog.Attr {
	return []slog.Attr{slog.String("actor", f.Actor), slog.String("reason", f.Reason)}
}
