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
	if b.queue == nil {
		return nil
	}
	b.queue.mutex.Lock()
	defer b.queue.mutex.Unlock()
	var ids []lease.ID
	for _, list := range [][]*Call[T]{b.queue.urgent, b.queue.others} {
		list = list[:min(most, len(list))]
		most -= len(list)
		for _, c := range list {
			if c.Subject != "" {
				ids = append(ids, c.Subject)
			}
		}
	}
	return ids
}

// Queued returns the operations that Next would yield, at most so many, and
// leaves them in the queue: for a store that prepares for all of them before it
// takes each with Take.
func (b *Batch[T]) Queued(most int) []*Call[T] {
	if b.queue == nil {
		if b.only == nil {
			return nil
		}
		return []*Call[T]{b.only}
	}
	b.queue.mutex.Lock()
	defer b.queue.mutex.Unlock()
	urgent, others := b.queue.urgent, b.queue.others
	calls := make([]*Call[T], 0, min(most, len(urgent)+len(others)))
	for taken := b.taken; len(calls) < most && len(urgent)+len(others) > 0; {
		if len(urgent) > 0 && (taken < share || len(others) == 0) {
			taken++
			calls, urgent = append(calls, urgent[0]), urgent[1:]
			continue
		}
		taken = 0
		calls, others = append(calls, others[0]), others[1:]
	}
	return calls
}

// Take takes one of those that Queued has returned, and reports whether it was
// still there.
func (b *Batch[T]) Take(c *Call[T]) bool {
	if b.queue == nil {
		was := b.only == c
		b.only = nil
		return was
	}
	return b.queue.withdraw(c)
}
