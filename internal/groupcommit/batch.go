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
	u := next(&q.lists, &b.taken)
	if u < 0 {
		return nil
	}
	return pop(&q.lists[u])
}

// next returns which of the lists the next operation comes from, and counts it;
// -1 if all are empty.
func next[T any](lists *[urgencies][]*Call[T], taken *[urgencies]int) int {
	chosen := -1
	for u := range lists {
		if len(lists[u]) == 0 {
			continue
		}
		if chosen >= 0 {
			taken[chosen] = 0 // its share is used up, and so this one is next
		}
		if chosen = u; taken[u] < share {
			break
		}
	}
	if chosen >= 0 {
		taken[chosen]++
	}
	return chosen
}

// push adds a call to its list. pop uses up a list from its front, so one that is
// empty begins anew.
func (q *Queue[T]) push(c *Call[T]) {
	list, room := &q.lists[c.Urgency], &q.room[c.Urgency]
	if len(*list) > 0 {
		*list = append(*list, c)
		return
	}
	*list = append(*room, c)
	*room = (*list)[:0]
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
	lists, taken := b.queue.lists, b.taken
	var calls []*Call[T]
	for len(calls) < most {
		u := next(&lists, &taken)
		if u < 0 {
			break
		}
		calls, lists[u] = append(calls, lists[u][0]), lists[u][1:]
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
