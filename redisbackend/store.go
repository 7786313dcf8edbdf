package redisbackend

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// program is what all operations run on, in the order in which its parts need each other.
var program = newScript(
	luaPart("prelude"), luaPart("state"), luaPart("nearby"),
	luaPart("loop"), luaPart("fast"), luaPart("settle"), luaPart("general"),
	luaPart("wake"), luaPart("settings"), luaPart("record"), luaPart("index"), luaPart("fresh"), luaPart("lines"), luaPart("waiters"),
	luaPart("ends"), luaPart("exception"), luaPart("conflict"), luaPart("wakes"), luaPart("epoch"), luaPart("acquire"),
	luaPart("ask"), luaPart("renew"), luaPart("release"), luaPart("forget"), luaPart("admin"), luaPart("reads"),
	luaPart("prepare"), luaPart("batch"), luaPart("tidy"), loopEnd, luaPart("finish"), replyPart,
)

// loopEnd ends the loop over the operations of a batch, replyPart the script.
var (
	loopEnd   = part{"loop.lua", "end"}
	replyPart = part{"reply.lua", "return refusal or replies"}
)

// keyNames are the keys of a namespace, in the order of lua/state.lua. There are no others.
var keyNames = []string{"state", "records", "index", "waiters", "ended", "history", "lapses", "buried", "fresh", "bygone"}

// Store is a handle on a namespace in Redis, for [backend.New]. It is safe for concurrent use.
type Store struct {
	combiner *combiner
	waker    *waker
	address  string // where the scripts find the waker
	seen     seen
	idle     idle
	refused  atomic.Int64 // refusals that are not counted in the store yet
}

var _ backend.Store = (*Store)(nil)

func newStore(client redis.UniversalClient, o Options) *Store {
	names := newKeyspace(o.Namespace)
	address := newWakeAddress(shards(client))
	return &Store{
		combiner: newStoreCombiner(client, names.keys(keyNames...), o),
		waker:    newWaker(client, names, address),
		address:  address,
	}
}

// seen is what a handle knows of the store's past: enough to notice when the store goes back in time.
type seen struct {
	mu      sync.Mutex
	epoch   string
	token   lease.Token // the highest in this epoch
	arrived int64       // the same, of arrivals
}

func (s *seen) get() (string, lease.Token, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch, s.token, s.arrived
}

// life returns what the scripts call so, with this version of the configuration; encode, what they call seen.
func (s *seen) life(version uint64) string {
	epoch, _, _ := s.get()
	return strconv.FormatUint(version, 10) + " " + epoch
}

func (s *seen) encode(version uint64) string {
	epoch, token, arrived := s.get()
	b := appendPadded(make([]byte, 0, 96), uint64(token), 16, ' ')
	b = appendPadded(b, uint64(arrived), 14, ' ')
	b = strconv.AppendUint(b, version, 10)
	return string(append(append(b, ' '), epoch...))
}

func (s *seen) learn(token lease.Token, arrived int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.arrived = max(s.token, token), max(s.arrived, arrived)
}

// adopt takes over an epoch that an operator began.
func (s *seen) adopt(epoch string, token lease.Token, arrived int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch {
		s.epoch, s.token, s.arrived = epoch, token, arrived
	}
}

// do carries out an operation that replies with an outcome and more, and deals with the outcomes that any operation
// may have.
func (s *Store) do(ctx context.Context, name string, args ...any) (reply, error) {
	raw, err := s.combiner.do(ctx, name, args...)
	if err != nil {
		return reply{}, err
	}
	r := newReply(name, raw)
	switch r.outcome {
	case "regressed":
		_, token, _ := s.seen.get()
		return reply{}, fmt.Errorf("%w: the store's newest is %s, this process has seen %d", lease.ErrRegressed, r.text(2), token)
	case "adopted":
		s.seen.adopt(r.text(1), 0, 0)
		r = newReply(name, r.at(2))
	}
	return r, r.err()
}

// Subscribe implements [backend.Store].
func (s *Store) Subscribe(id lease.ID) (<-chan struct{}, func()) { return s.waker.wait(string(id)) }

// Close implements [backend.Store]. The client stays open: it is the caller's.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = s.countRefused(ctx) // only a statistic
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
