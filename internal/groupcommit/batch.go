package groupcommit

import "github.com/leasekit/leasekit/lease"

// Batch yields the operations of one transaction.
type Batch[T any] struct {
	queue *Queue[T] // nil for a replay
	only  *Call[T]  // of a replay, until it is taken
	taken int       // how many urgent ones in a row
}

// share is how many urgent operations go before one that is not, if such a one
// waits: urgent ones alone must not starve the others.
const share = 4

// Next takes the next operation from the queue: urgent ones first, the oldest
// of a kind first. nil means that there are no more.
func (b *Batch[T]) Next() *Call[T] {
	if b.queue == nil {
		c := b.only
		b.only = nil
		return c
	}
	q := b.queue
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if len(q.urgent) > 0 && (b.taken < share || len(q.others) == 0) {
		b.taken++
		return pop(&q.urgent)
	}
	b.taken = 0
	return pop(&q.others)
}

func pop[T any](list *[]*Call[T]) *Call[T] {
	if len(*list) == 0 {
		return nil
	}
	c := (*list)[0]
	(*list)[0] = nil
	*list = (*list)[1:]
	return c
}

// Subjects returns those of the operations that are queued, at most so many
// operations. Some of them may leave before they start.
func (b *Batch[T]) Subjects(most int) []lease.ID {
	var ids []lease.ID
	b.each(most, func(c *Call[T]) {
		if c.Subject != "" {
			ids = append(ids, c.Subject)
		}
	})
	return ids
}

// Ahead is Subjects that returns all that the operations will ask for.
func (b *Batch[T]) Ahead(most int) []Options {
	var asks []Options
	b.each(most, func(c *Call[T]) { asks = append(asks, c.Options) })
	return asks
}

// each yields up to so many of the operations that are queued.
func (b *Batch[T]) each(most int, yield func(*Call[T])) {
	if b.queue == nil {
		return
	}
	b.queue.mutex.Lock()
	defer b.queue.mutex.Unlock()
	for _, list := range [][]*Call[T]{b.queue.urgent, b.queue.others} {
		list = list[:min(most, len(list))]
		most -= len(list)
		for _, c := range list {
			yield(c)
		}
	}
}
