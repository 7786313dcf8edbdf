package backend

import (
	"context"
	"iter"

	"github.com/leasekit/leasekit/lease"
)

// Get returns what has this ID, also when it has ended.
func (e *engine) Get(ctx context.Context, id lease.ID) (lease.Lease, error) {
	const op = "get"
	if id == "" {
		return lease.Lease{}, lease.Invalid("id", "empty")
	}
	for l, err := range e.list(ctx, op, lease.Query{ID: id}) {
		return l, err
	}
	return lease.Lease{}, &lease.LostError{Op: op, Ref: lease.Ref{ID: id}, Err: lease.ErrNotFound}
}

// List yields what q selects, page by page.
func (e *engine) List(ctx context.Context, q lease.Query) iter.Seq2[lease.Lease, error] {
	const op = "list"
	if q.NewestFirst {
		return e.newestFirst(ctx, op, q)
	}
	return e.list(ctx, op, q)
}

// newestFirst yields what q selects in reverse. Stores list the oldest first, so
// it reads all of it, and keeps the last q.Limit.
func (e *engine) newestFirst(ctx context.Context, op string, q lease.Query) iter.Seq2[lease.Lease, error] {
	return func(yield func(lease.Lease, error) bool) {
		limit := q.Limit
		if limit > 0 {
			q.Limit = 0
		}
		var kept []lease.Lease // the last ones; where it is full, in a circle from oldest on
		oldest := 0
		for l, err := range e.list(ctx, op, q) {
			switch {
			case err != nil:
				yield(lease.Lease{}, err)
				return
			case limit == 0 || len(kept) < limit:
				kept = append(kept, l)
			default:
				kept[oldest] = l
				oldest = (oldest + 1) % limit
			}
		}
		for i := range kept {
			if !yield(kept[(oldest+len(kept)-1-i)%len(kept)], nil) {
				return
			}
		}
	}
}

func (e *engine) list(ctx context.Context, op string, q lease.Query) iter.Seq2[lease.Lease, error] {
	return func(yield func(lease.Lease, error) bool) {
		q, err := cleanQuery(q)
		if err != nil {
			yield(lease.Lease{}, err)
			return
		}
		q.NewestFirst = false // the engine's own
		count, cursor := 0, ""
		for {
			page, err := e.page(ctx, op, q, cursor)
			if err != nil {
				yield(lease.Lease{}, err)
				return
			}
			for _, l := range page.Leases {
				if !yield(l, nil) {
					return
				}
				if count++; count == q.Limit {
					return
				}
			}
			if page.Next == "" {
				return
			}
			cursor = page.Next
		}
	}
}

// page reads one page. Nothing is under way while the caller looks at what it
// got: it may call Close there.
func (e *engine) page(ctx context.Context, op string, q lease.Query, cursor string) (ListReply, error) {
	ctx, call, err := e.enter(ctx, op)
	if err != nil {
		return ListReply{}, err
	}
	defer call.leave()
	start := lease.Clock()
	page, err := e.store.List(ctx, q, cursor)
	e.called(ctx, "list", start, err)
	if err != nil {
		return ListReply{}, storeError(ctx, op, err)
	}
	for i, l := range page.Leases {
		page.Leases[i] = l.Measured(start, l.ExpiresAt.Sub(page.Now))
	}
	return page, nil
}

// Stats counts.
func (e *engine) Stats(ctx context.Context) (lease.Stats, error) { return e.stats(ctx, "stats") }

func (e *engine) stats(ctx context.Context, op string) (lease.Stats, error) {
	ctx, call, err := e.enter(ctx, op)
	if err != nil {
		return lease.Stats{}, err
	}
	defer call.leave()
	start := lease.Clock()
	s, err := e.store.Stats(ctx)
	e.called(ctx, "stats", start, err)
	if err != nil {
		return lease.Stats{}, storeError(ctx, op, err)
	}
	return s, nil
}
