package redisbackend

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	wakeInterval     = time.Second           // between looks while somebody waits
	wakeHealthLooks  = 5                     // the link is checked with one in so many
	wakeMaxLooked    = 16                    // waiters that a look is for
	wakeFirstPause   = 50 * time.Millisecond // between attempts to connect
	wakeLongestPause = time.Second
)

// waker receives the hints that waiters of this process may be granted. It has one subscription, to the channel of
// its address, which scripts publish the IDs of waiters to.
//
//   - A hint may be lost (pub/sub is at most once) and may be wrong. Nothing blocks on one, neither here nor in
//     the waiter, who has a timer besides.
//   - Whenever the subscription begins, at first and after a broken connection, all waiters get a hint: what they
//     missed while there was none they learn by asking again. So subscribing need not be waited for.
//   - The connection is opened for the first waiter and kept until close, unless it breaks while nobody waits. While
//     somebody waits, silence is checked by pings: a link that swallows packets is found in fifteen seconds.
//   - While somebody waits, some of the waiters are looked after: whether the processes live that stand before them.
type waker struct {
	client   redis.UniversalClient
	channel  string
	sharded  bool
	interval time.Duration       // between looks
	look     func(waiters []any) // looks after waiters, by ID; nil for none

	lifetime context.Context // ends with close
	end      context.CancelFunc

	mu        sync.Mutex
	waiters   map[string][]chan struct{} // by ID; the same may be waited for more than once
	listening bool                       // listen runs
	pubsub    *redis.PubSub              // the current subscription, nil between two
	timer     *time.Timer                // of the next look, nil if there is to be none
	looks     int                        // so far
	heard     bool                       // something arrived since the last check
	pinged    bool                       // the last check sent a ping
}

// newWaker returns a waker for a wake address of this process.
func newWaker(client redis.UniversalClient, names keyspace, address string) *waker {
	lifetime, end := context.WithCancel(context.Background())
	return &waker{
		client:   client,
		channel:  names.wakeChannel(address),
		sharded:  strings.HasPrefix(strings.ToLower(address), "s"),
		interval: wakeInterval,
		lifetime: lifetime,
		end:      end,
		waiters:  map[string][]chan struct{}{},
	}
}

// shards says whether a client needs sharded channels: in a Cluster a script's plain message does not say how many
// heard it, and goes to every node.
func shards(client redis.UniversalClient) bool {
	_, cluster := client.(masterFinder)
	return cluster
}

// readsElsewhere says whether a client may subscribe at a replica.
func readsElsewhere(client redis.UniversalClient) bool {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return shards(client) // it wraps one, of unknown options
	}
	o := cluster.Options()
	return o.ReadOnly || o.RouteByLatency || o.RouteRandomly
}

// wait subscribes to hints for the waiter with this ID. The channel holds one hint; it is never closed. stop ends
// it; a second call does nothing. After close there are no hints.
func (w *waker) wait(id string) (hint <-chan struct{}, stop func()) {
	hints := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiters[id] = append(w.waiters[id], hints)
	if w.lifetime.Err() == nil {
		if !w.listening {
			w.listening = true
			go w.listen()
		}
		w.check()
	}
	return hints, sync.OnceFunc(func() { w.forget(id, hints) })
}

// expects says whether somebody waits for hints for this ID.
func (w *waker) expects(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiters[id]) > 0
}

func (w *waker) forget(id string, hints chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := slices.DeleteFunc(w.waiters[id], func(other chan struct{}) bool { return other == hints })
	if len(left) == 0 {
		delete(w.waiters, id)
		return
	}
	w.waiters[id] = left
}

// close ends the subscription. It does not wait for the connection to be closed.
func (w *waker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
	if w.timer != nil {
		w.timer.Stop()
	}
	if pubsub := w.pubsub; pubsub != nil {
		go func() { _ = pubsub.Close() }() // may have to wait for a ping or a dial that go-redis is busy with
	}
}

// listen keeps a subscription alive while somebody waits.
func (w *waker) listen() {
	pause := time.Duration(0)
	for {
		if w.receive() {
			pause = 0
		}
		if !w.goOn() {
			return
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		case <-w.lifetime.Done():
		}
		pause = min(max(2*pause, wakeFirstPause), wakeLongestPause)
	}
}

// goOn says whether a broken subscription is to be renewed.
func (w *waker) goOn() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listening = len(w.waiters) > 0 && w.lifetime.Err() == nil
	return w.listening
}

// receive subscribes and hands out hints until the subscription breaks. It says whether there was one.
//
// go-redis would reconnect by itself, but in a Cluster not after the slot has moved; a new subscription each
// time is right in all cases.
func (w *waker) receive() (subscribed bool) {
	subscribe := w.client.Subscribe
	if w.sharded {
		subscribe = w.client.SSubscribe
	}
	pubsub := subscribe(w.lifetime, w.channel)
	defer pubsub.Close()
	if !w.setPubsub(pubsub) {
		return false
	}
	defer w.setPubsub(nil)
	for {
		message, err := pubsub.Receive(w.lifetime)
		if err != nil {
			followCluster(w.lifetime, w.client, err)
			return subscribed
		}
		w.hear()
		switch message := message.(type) {
		case *redis.Message:
			w.hint(message.Payload)
		case *redis.Subscription:
			if message.Kind != "subscribe" && message.Kind != "ssubscribe" {
				return subscribed // the slot has moved to another node
			}
			subscribed = true
			w.hintAll()
		}
	}
}

// setPubsub sets the current subscription; it refuses after close.
func (w *waker) setPubsub(pubsub *redis.PubSub) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pubsub, w.pinged = pubsub, false
	return w.lifetime.Err() == nil
}

// hear takes note that the link works.
func (w *waker) hear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = true
}

// hint wakes the waiters that a message names.
func (w *waker) hint(message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for message != "" {
		id, rest, ok := cutID(message)
		if !ok {
			break
		}
		for _, hints := range w.waiters[id] {
			wakeUp(hints)
		}
		message = rest
	}
}

// hintAll wakes everybody.
func (w *waker) hintAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, same := range w.waiters {
		for _, hints := range same {
			wakeUp(hints)
		}
	}
}

func wakeUp(hints chan<- struct{}) {
	select {
	case hints <- struct{}{}:
	default: // it has one already
	}
}

// cutID takes the first ID off a message of IDs, each preceded by its length in bytes and a colon.
func cutID(message string) (id, rest string, ok bool) {
	digits, rest, ok := strings.Cut(message, ":")
	if !ok {
		return "", "", false
	}
	length, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || length > uint64(len(rest)) {
		return "", "", false
	}
	return rest[:length], rest[length:], true
}

// check sets the timer of the next look while somebody waits. The caller holds mu.
func (w *waker) check() {
	if w.timer != nil || len(w.waiters) == 0 || w.lifetime.Err() != nil {
		return
	}
	w.timer = time.AfterFunc(w.interval, func() {
		w.mu.Lock()
		var some []any
		for id := range w.waiters { // in an order by chance
			if len(some) == wakeMaxLooked {
				break
			}
			some = append(some, id)
		}
		w.looks++
		health := w.looks%wakeHealthLooks == 0
		w.timer = nil
		w.check()
		w.mu.Unlock()
		if health {
			w.checkHealth()
		}
		if w.look != nil && len(some) > 0 {
			w.look(some)
		}
	})
}

// checkHealth sends a ping if nothing came since the last check, and ends the subscription if nothing has come since a ping.
func (w *waker) checkHealth() {
	w.mu.Lock()
	pubsub, silent, pinged := w.pubsub, !w.heard, w.pinged
	w.heard, w.pinged = false, silent && pubsub != nil
	w.mu.Unlock()
	switch {
	case pubsub == nil || !silent:
	case pinged:
		_ = pubsub.Close() // receive subscribes anew
	default:
		_ = pubsub.Ping(w.lifetime)
	}
}
