package groupcommit

import "github.com/leasekit/leasekit/lease"

// Batch yields the operations of one transaction.
type Batch[T any] struct {
	queue *Queue[T]      // nil for a replay
	only  *Call[T]       // of a replay, until it is taken
	taken [urgencies]int // how many of each urgency in a row
}

// share is how many urgent operations go before a less urgent one, if such a one
// waits: urgent ones alone must not starve the others.
const share = 4

// Next takes the next operation from the queue: urgent ones first, the oldest
// of an urgency first. nil means that there are no more.
func (b *Batch[T]) Next() *Call[T] {
	if b.queue == nil {
		c := b.only
		b.only = nil
		return c
	}
	q := b.queue
	q.mutex.Lock()
	defer q.mutex.Unlock()
	next := -1
	for u := range q.lists {
		if len(q.lists[u]) == 0 {
			continue
		}
		if next >= 0 {
			b.taken[next] = 0 // its share is used up, and so this one is next
		}
		if next = u; b.taken[u] < share {
			break
		}
	}
	if next < 0 {
		return nil
	}
	b.taken[next]++
	return pop(&q.lists[next])
}

func pop[T any](list *[]*Call[T]) *Call[T] {
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
	for _, list := range b.queue.lists {
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
