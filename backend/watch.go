package backend

import (
	"context"
	"iter"
	"time"

	"github.com/leasekit/leasekit/lease"
)

const (
	// eventsPage is how many events are asked for at a time.
	eventsPage = 256
	// leastWatch keeps a watch from spinning over a store that gives no pause.
	leastWatch = time.Millisecond
)

// History yields the events that there are when it starts.
func (e *engine) History(ctx context.Context, q lease.Query) iter.Seq2[lease.Event, error] {
	const op = "history"
	return func(yield func(lease.Event, error) bool) {
		q, err := cleanQuery(q)
		if err != nil {
			yield(lease.Event{}, err)
			return
		}
		stats, err := e.stats(ctx, op)
		if err != nil {
			yield(lease.Event{}, err)
			return
		}
		r := reader{query: q}
		for r.query.After < stats.Head {
			before := r.query.After
			events, _, err := e.events(ctx, op, &r)
			if err != nil {
				yield(lease.Event{}, err)
				return
			}
			for _, event := range events {
				if event.Seq > stats.Head || !r.pass(event, yield) {
					return
				}
			}
			if r.query.After == before {
				return
			}
		}
	}
}

// Watch yields events as they come.
func (e *engine) Watch(ctx context.Context, q lease.Query) iter.Seq2[lease.Event, error] {
	const op = "watch"
	return func(yield func(lease.Event, error) bool) {
		q, err := cleanQuery(q)
		if err == nil && ctx == nil {
			err = errNoContext()
		}
		if err != nil {
			yield(lease.Event{}, err)
			return
		}
		open, cancel := either(ctx, e.closing)
		defer cancel()
		r := reader{query: q}
		var pauses backoff
		for {
			before := r.query.After
			events, wait, err := e.events(open, op, &r)
			switch {
			case ctx.Err() != nil:
				yield(lease.Event{}, endedError(ctx, op))
				return
			case e.closed():
				yield(lease.Event{}, closedError(op))
				return
			case transient(err):
				pause(open, pauses.next())
				continue
			case err != nil:
				yield(lease.Event{}, err)
				return
			}
			pauses = backoff{}
			for _, event := range events {
				if !r.pass(event, yield) {
					return
				}
			}
			if r.query.After == before {
				pause(open, max(wait, leastWatch))
			}
		}
	}
}

// reader is how far a History or Watch has come.
type reader struct {
	query lease.Query // After moves on
	count int         // of the events passed on
}

// events reads the next events and moves on. Nothing is under way while the
// caller looks at what it got.
func (e *engine) events(ctx context.Context, op string, r *reader) ([]lease.Event, time.Duration, error) {
	ctx, call, err := e.enter(ctx, op)
	if err != nil {
		return nil, 0, err
	}
	defer call.leave()
	limit := eventsPage
	if r.query.Limit > 0 {
		limit = min(limit, r.query.Limit-r.count)
	}
	start := lease.Clock()
	reply, err := e.store.Events(ctx, EventsArgs{Query: r.query, Limit: limit})
	e.called(ctx, "events", start, err)
	if err != nil {
		return nil, 0, storeError(ctx, op, err)
	}
	r.query.After = reply.Next
	return reply.Events, reply.Wait, nil
}

// pass yields an event, and reports whether to go on. Tokens are shown only to
// who asked for them, or for one holder or lease.
func (r *reader) pass(event lease.Event, yield func(lease.Event, error) bool) bool {
	if !r.query.All && r.query.Holder == "" && r.query.ID == "" {
		event.Lease.Token = 0
	}
	r.count++
	return yield(event, nil) && r.count != r.query.Limit
}
