package groupcommit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What keeps or frees something comes first, then what keeps a place in line,
// and nothing starves: after each share of the more urgent comes a less urgent
// one. Queued tells the same order beforehand.
func TestUrgency(t *testing.T) {
	q := &Queue[int]{}
	for u := range q.lists {
		for range 2 * share {
			q.lists[u] = append(q.lists[u], &Call[int]{Options: Options{Urgency: Urgency(u)}})
		}
	}
	b := &Batch[int]{queue: q}
	planned := b.Queued(len(q.lists) * 2 * share)
	var order []Urgency
	for c := b.Next(); c != nil; c = b.Next() {
		require.Same(t, planned[len(order)], c)
		order = append(order, c.Urgency)
	}
	require.Equal(t, []Urgency{Keeps, Keeps, Keeps, Keeps, Waits, Keeps, Keeps, Keeps, Keeps, Waits}, order[:10])
	require.Len(t, order, len(planned))
	require.Zero(t, q.Len())
}
