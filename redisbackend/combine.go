package redisbackend

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/lease"
)

const (
	maxBatch      = 128       // operations: 2 to 3 ms of the server's time
	maxBatchBytes = 256 << 10 // of arguments; a single operation may have more
)

// combiner merges operations that are asked for at the same time into batches, each one call of a script. A batch
// costs the server hardly more than its operations' own work, where each single call would cost as much again.
//
//   - Nothing waits to be merged: an operation that finds fewer batches in flight than pace allows is sent at once.
//     One that does not is queued, and whoever's batch is answered next takes the queue along.
//   - The queue holds only operations that are not sent, and those that the script put off. An operation leaves it
//     into a batch, or withdrawn by its caller, whose ctx ended; what was withdrawn is not sent any more.
//   - Operations are sent in the order in which they were asked for, but batches may overtake each other.
//   - While operations are queued, at least one batch is in flight: the one that sends it sees to the queue before
//     it gives up its slot.
//   - A batch is sent on no caller's context. A caller who leaves takes nothing from its neighbours.
//
// A caller whose context cannot end sends by itself, so one that is alone pays nothing for all this. For the
// others a goroutine sends, as the caller must be able to leave while go-redis reads: some 15 µs more, on two cores
// shared with the server. (A caller that sends by itself with a short time-out, and again by a goroutine, is faster, but then
// a slow moment makes two calls of one, with two outcomes, without any fault.)
//
// Tried and slower: a new goroutine for each batch (30 µs more), one goroutine that serves a channel (all batches
// in turn), a fixed delay to gather more (Go's shortest sleep is a millisecond on many machines), go-redis
// pipelines of single calls (the server sets up each script anew), go-redis' AutoPipeline (ignores contexts).
type combiner struct {
	send sender

	lifetime context.Context // of what is sent; ends with close
	end      context.CancelFunc

	parked chan struct{} // senders without a slot receive from it

	mu         sync.Mutex
	queue      list.List // of *operation
	batches    int       // in flight: slots in use
	operations int       // in flight
	pace       pace
	closed     bool
}

// sender sends the arguments of a batch and returns one reply for each operation, an error among them for one that failed.
type sender = func(ctx context.Context, args []any) ([]any, error)

// errNoReturn is the outcome of a batch whose sender panicked or ended its goroutine, as a hook of the client can.
var errNoReturn = errors.New("the client did not return")

// operation is one request to the script and, once done is closed, its outcome.
type operation struct {
	args  []any // name, count, arguments, as they go over the wire
	size  int
	sent  bool          // before, and put off: go-redis may have sent it more than once. Guarded by combiner.mu
	place *list.Element // in the queue; nil once it has left. Guarded by combiner.mu

	done  chan struct{}
	reply any
	err   error
}

func newCombiner(send sender) *combiner {
	lifetime, end := context.WithCancel(context.Background())
	return &combiner{send: send, lifetime: lifetime, end: end, parked: make(chan struct{})}
}

// newScriptCombiner returns a combiner whose batches are calls of a script that ends with lua/batch.lua.
func newScriptCombiner(client redis.Scripter, program *script, keys []string) *combiner {
	return newCombiner(func(ctx context.Context, args []any) ([]any, error) {
		reply, err := program.run(ctx, client, keys, args...)
		if err != nil {
			return nil, err
		}
		return program.replies(reply)
	})
}

// do carries out the operation of the script that has this name, with arguments that are strings or []byte, and
// returns its reply: a string, an int64, a []any of these, or nil. The error is
//
//   - errNotSent, with ctx's error, if ctx ended in time: the server never saw the operation;
//   - errUnknown, with ctx's error or that of the link or the server, if it may have been carried out;
//   - lease.ErrClosed after close; it was not sent;
//   - else the operation's own, as the script raised it.
func (c *combiner) do(ctx context.Context, name string, args ...any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	op := newOperation(name, args)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, lease.ErrClosed
	}
	op.place = c.queue.PushBack(op)
	first := c.batches < c.pace.limit()
	if first {
		c.batches++
	}
	c.mu.Unlock()

	switch {
	case first && ctx.Done() == nil:
		c.serveUntil(op)
	case first:
		c.startSender()
	}
	select {
	case <-op.done:
		return op.reply, op.err
	case <-ctx.Done():
		return c.leave(ctx, op)
	}
}

func newOperation(name string, args []any) *operation {
	op := &operation{args: make([]any, 0, 2+len(args)), done: make(chan struct{})}
	op.args = append(append(op.args, name, len(args)), args...)
	for _, arg := range args {
		const overhead = 16 // of an argument on the wire
		op.size += overhead
		switch arg := arg.(type) {
		case string:
			op.size += len(arg)
		case []byte:
			op.size += len(arg)
		}
	}
	return op
}

// leave ends a caller's wait: the operation is withdrawn, or answered by now, or its outcome stays unknown.
func (c *combiner) leave(ctx context.Context, op *operation) (any, error) {
	c.mu.Lock()
	queued, sent := op.place != nil, op.sent
	if queued {
		c.queue.Remove(op.place)
		op.place = nil
	}
	c.mu.Unlock()
	switch {
	case queued && sent:
		return nil, fmt.Errorf("%w: %w", errUnknown, ctx.Err())
	case queued:
		return nil, fmt.Errorf("%w: %w", errNotSent, ctx.Err())
	}
	select {
	case <-op.done:
		return op.reply, op.err
	default:
		return nil, fmt.Errorf("%w: %w", errUnknown, ctx.Err())
	}
}

// startSender has a goroutine use the slot that the caller has taken: one that is parked, else a new one.
func (c *combiner) startSender() {
	select {
	case c.parked <- struct{}{}:
	default:
		go c.sender()
	}
}

// sender serves the queue, then waits for another slot. It is kept until close, as starting a goroutine for each
// operation costs more.
func (c *combiner) sender() {
	for {
		c.serveUntil(nil)
		select {
		case <-c.parked:
		case <-c.lifetime.Done():
			return
		}
	}
}

// serveUntil sends batches until the queue is empty, or until own, if not nil, is answered. It uses a slot that its
// caller has taken, and gives it up or hands it on.
func (c *combiner) serveUntil(own *operation) {
	slot := true
	defer func() { // also if a hook of the client panics or ends the goroutine: the queue must not stand still
		if slot && c.keepSlot() {
			c.startSender()
		}
	}()
	for {
		batch, inFlight := c.take()
		if len(batch) == 0 {
			slot = false
			return
		}
		c.serve(batch, inFlight)
		if own != nil {
			select {
			case <-own.done:
				return
			default:
			}
		}
	}
}

// take moves operations from the queue into a batch. It gives up the slot, and returns none, when the queue is empty
// or pace allows fewer batches than before.
func (c *combiner) take() (batch []*operation, inFlight int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.batches > c.pace.limit() {
		c.batches--
		return nil, 0
	}
	size := 0
	for len(batch) < maxBatch && c.queue.Len() > 0 {
		op := c.queue.Front().Value.(*operation)
		if size += op.size; size > maxBatchBytes && len(batch) > 0 {
			break
		}
		c.queue.Remove(op.place)
		op.place = nil
		batch = append(batch, op)
	}
	if len(batch) == 0 {
		c.batches--
	}
	c.operations += len(batch)
	return batch, c.operations
}

// keepSlot gives up the slot if the queue is empty, and says whether it did not.
func (c *combiner) keepSlot() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.Len() == 0 {
		c.batches--
		return false
	}
	return true
}

// serve sends one batch and hands out the replies. inFlight counts the operations now in flight, the batch's
// included.
func (c *combiner) serve(batch []*operation, inFlight int) {
	args := batch[0].args
	if len(batch) > 1 {
		n := 0
		for _, op := range batch {
			n += len(op.args)
		}
		args = make([]any, 0, n)
		for _, op := range batch {
			args = append(args, op.args...)
		}
	}
	var replies []any
	err, start := errNoReturn, time.Now()
	defer func() { c.finish(batch, inFlight, replies, err, time.Since(start)) }()
	replies, err = c.send(c.lifetime, args)
}

// finish hands out the replies of a batch.
func (c *combiner) finish(batch []*operation, inFlight int, replies []any, err error, roundTrip time.Duration) {
	if err == nil && len(replies) != len(batch) {
		err = fmt.Errorf("%d replies to %d operations", len(replies), len(batch))
	}
	c.mu.Lock()
	c.operations -= len(batch)
	if err == nil {
		c.pace.observe(roundTrip, inFlight)
		c.postpone(batch, replies)
	}
	c.mu.Unlock()

	for i, op := range batch {
		if err == nil && replies[i] == later {
			continue
		}
		if err != nil {
			op.err = fmt.Errorf("%w: %w", errUnknown, err)
		} else if failure, ok := replies[i].(error); ok {
			op.err = failure
		} else {
			op.reply = replies[i]
		}
		close(op.done)
	}
}

// later is the reply to an operation of which the script did nothing, as the batch had become too much work.
const later = "later"

// postpone puts those operations of a batch that are to be sent again at the head of the queue, in their order.
func (c *combiner) postpone(batch []*operation, replies []any) {
	for i, op := range slices.Backward(batch) {
		switch {
		case replies[i] != later:
		case c.closed:
			replies[i] = fmt.Errorf("%w: %w", errUnknown, lease.ErrClosed)
		default:
			op.sent = true
			op.place = c.queue.PushFront(op)
		}
	}
}

// close makes every later operation, and those not yet sent, fail with lease.ErrClosed. What was sent is neither
// taken back nor waited for.
func (c *combiner) close() {
	c.mu.Lock()
	c.closed = true
	var unsent []*operation
	for c.queue.Len() > 0 {
		op := c.queue.Remove(c.queue.Front()).(*operation)
		op.place = nil
		unsent = append(unsent, op)
	}
	c.mu.Unlock()
	c.end()
	for _, op := range unsent {
		op.err = lease.ErrClosed
		if op.sent {
			op.err = fmt.Errorf("%w: %w", errUnknown, lease.ErrClosed)
		}
		close(op.done)
	}
}
