package redisbackend

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// keyNames are the keys of a namespace, in the order of lua/state.lua. There are no others.
var keyNames = []string{
	"state", "records", "index", "waiters", "ended", "history", "lapses", "tombstones", "fresh", "bygone",
}

// Store is a handle on a namespace in Redis, for [backend.New]. It is safe for concurrent use.
type Store struct {
	combiner *combiner
	waker    *waker
	address  string // where the scripts find the waker
	told     *told
	seen     seen
	idle     idle
	refused  atomic.Int64 // refusals that are not counted in the store yet
}

var _ backend.Store = (*Store)(nil)

func newStore(client redis.UniversalClient, o Options) *Store {
	names := newKeyspace(o.Namespace)
	address := newWakeAddress(shards(client), readsElsewhere(client))
	s := &Store{waker: newWaker(client, names, address), address: address}
	s.told = newTold(func(ctx context.Context, args []any) {
		_, _ = s.combiner.do(ctx, "told", args...) // if it fails, the others ask when they would without a hint
	})
	s.waker.look = func(waiters []any) {
		ctx, cancel := context.WithTimeout(s.waker.lifetime, wakeInterval)
		defer cancel()
		_, _ = s.combiner.do(ctx, "look", waiters...) // the next one comes soon
	}
	s.combiner = newStoreCombiner(client, names.keys(keyNames...), o, &s.seen, s.learn)
	return s
}

// learn takes note of the last element of a script's reply, and returns the store's clock: the first line of the head, and
// behind it the address of each process that was told something, and what.
func (s *Store) learn(last any) (now int64, err error) {
	if all, ok := last.([]any); ok && len(all) > 0 {
		for i := 1; i+1 < len(all); i += 2 {
			client, _ := all[i].(string)
			message, _ := all[i+1].(string)
			if client != s.address {
				s.told.add(client, message)
			}
		}
		last = all[0]
	}
	line, _ := last.(string)
	return s.seen.learn(line)
}

// Subscribe implements [backend.Store].
func (s *Store) Subscribe(id lease.ID) (<-chan struct{}, func()) { return s.waker.wait(string(id)) }

// Close implements [backend.Store]. The client stays open: it is the caller's.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = s.countRefused(ctx) // only a statistic
	s.told.close()
	s.combiner.close()
	s.waker.close()
	return nil
}

// closeTimeout bounds what Close does over the network.
const closeTimeout = 250 * time.Millisecond

// countRefused adds this process' newest refusals to those that the store counts. A refusal itself is not written:
// somebody who polls would keep the server busy.
func (s *Store) countRefused(ctx context.Context) error {
	n := s.refused.Swap(0)
	if n == 0 {
		return nil
	}
	_, err := s.combiner.do(ctx, "count_refused", strconv.FormatInt(n, 10))
	return err
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func span(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// appendPadded appends a number with as many digits as width, or what stands for them.
func appendPadded(b []byte, n uint64, width int, padding byte) []byte {
	digits := strconv.FormatUint(n, 10)
	for range width - len(digits) {
		b = append(b, padding)
	}
	return append(b, digits...)
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// newName names a call, so that a repeated one is known.
func newName() string { return strings.ToLower(rand.Text()) }
