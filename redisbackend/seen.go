package redisbackend

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/leasekit/leasekit/lease"
)

// seen is what a handle knows of the store's past: enough to notice when the store goes back in time, and to keep its
// clock from doing so. It is safe for concurrent use.
type seen struct {
	mu      sync.Mutex
	now     int64  // the latest that the store has told, ms
	epoch   string // see lua/epoch.lua; "" before the first reply
	token   uint64 // the newest in this epoch
	changes uint64 // the same, of changes
	refused string // the first epoch that was met instead of this one; "" if none was
}

// answer is a script's reply to one operation, and the store's clock then.
type answer struct {
	value any
	now   int64
}

// learn takes note of the first line of the head (lua/finish.lua), and returns the store's clock. A late reply of another
// epoch than this handle's says nothing of it.
func (s *seen) learn(line string) (now int64, err error) {
	d := decoder{rest: line}
	d.number(' ') // the layout: a script has checked it
	token, changes := d.padded(16), d.padded(14)
	now = d.number(' ')
	d.number(' ') // the version of the configuration
	if d.bad {
		return 0, malformed("reply", line)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = max(s.now, now)
	if s.epoch == "" {
		s.epoch = d.rest
	}
	if s.epoch == d.rest {
		s.token, s.changes = max(s.token, token), max(s.changes, changes)
	}
	return now, nil
}

// floor returns what the store's clock cannot be below.
func (s *seen) floor() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.FormatInt(s.now, 10)
}

// life returns the version of the configuration and the epoch, as the scripts compare them.
func (s *seen) life(version uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.FormatUint(version, 10) + " " + s.epoch
}

// encode returns what lua/acquire.lua calls seen.
func (s *seen) encode(version uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := appendPadded(make([]byte, 0, 96), s.token, 16, ' ')
	b = appendPadded(b, s.changes, 14, ' ')
	b = strconv.AppendUint(b, version, 10)
	return string(append(append(b, ' '), s.epoch...))
}

// adopt takes over an epoch that an operator began after the handle's own, or after the one that was met instead. It says
// whether it did.
func (s *seen) adopt(epoch string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	moment, rest, _ := strings.Cut(epoch, " ")
	after := func(other string) bool {
		before, _, _ := strings.Cut(other, " ")
		return other != "" && other != epoch && moment > before // of the same width
	}
	if strings.HasPrefix(rest, "a ") && (after(s.epoch) || after(s.refused)) {
		s.epoch, s.token, s.changes, s.refused = epoch, 0, 0, ""
		return true
	}
	if s.refused == "" {
		s.refused = epoch
	}
	return false
}

// do carries out an operation that replies with an outcome and more.
func (s *Store) do(ctx context.Context, name string, args ...any) (reply, error) {
	raw, err := s.combiner.do(ctx, name, args...)
	if err != nil {
		return reply{}, err
	}
	its, ok := raw.(answer)
	if !ok {
		return reply{}, malformed("reply", fmt.Sprint(raw))
	}
	r := newReply(name, its.value)
	r.now = its.now
	if r.outcome == "regressed" {
		return r, &regressedError{epoch: r.text(1), token: r.text(2), seen: s.seen.encode(0)}
	}
	return r, r.err()
}

// doKnowing is do for operations that name the epoch: once an operator has begun another, it is repeated in that.
func (s *Store) doKnowing(ctx context.Context, name string, args func() []any) (reply, error) {
	r, err := s.do(ctx, name, args()...)
	if r.outcome == "regressed" && s.seen.adopt(r.text(1)) {
		return s.do(ctx, name, args()...)
	}
	return r, err
}

// regressedError is a lease.ErrRegressed with what differs.
type regressedError struct{ epoch, token, seen string }

func (e *regressedError) Error() string {
	return fmt.Sprintf("%v: the store's newest is %s, this process has seen %s", lease.ErrRegressed, e.token, strings.TrimSpace(e.seen[:16]))
}

func (e *regressedError) Unwrap() error { return lease.ErrRegressed }
