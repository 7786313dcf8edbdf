package view

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/leasekit/leasekit/lease"
)

const (
	// searchTime bounds how long a look into the history may take.
	searchTime = 3 * time.Second
	mostPast   = 500
)

// past is what the history says about something, newest first.
type past struct {
	Events []occurrence `json:"events"`
	// Searched is the place in the history down to which was looked, if that is
	// not its beginning.
	Searched lease.Seq `json:"searched_to,omitzero"`
}

// newest reads the n newest events that q selects. The history is read from old
// to new, so it looks at windows of growing size, the newest first.
func newest(ctx context.Context, m lease.Manager, q lease.Query, n int) (past, error) {
	stats, err := m.Stats(ctx)
	if err != nil {
		return past{}, err
	}
	p := past{Events: []occurrence{}}
	if stats.Head == 0 || stats.Oldest == 0 {
		return p, nil
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	first := stats.Oldest - 1
	for high, size := stats.Head, lease.Seq(4096); high > first && len(p.Events) < n; size *= 4 {
		low := first
		if high-first > size {
			low = high - size
		}
		found, err := between(ctx, m, q, low, high, n-len(p.Events))
		switch {
		case errors.Is(err, context.DeadlineExceeded) && high < stats.Head:
			p.Searched = high
			return p, nil
		case errors.Is(err, lease.ErrTrimmed):
			return p, nil
		case err != nil:
			return past{}, err
		}
		p.Events = append(p.Events, found...)
		high = low
		if len(p.Events) >= n && high > first {
			p.Searched = high
		}
	}
	return p, nil
}

// between returns the last n events in (low, high], newest first.
func between(ctx context.Context, m lease.Manager, q lease.Query, low, high lease.Seq, n int) ([]occurrence, error) {
	q.After = low
	var found []occurrence
	for e, err := range m.History(ctx, q) {
		if err != nil {
			return nil, err
		}
		if e.Seq > high {
			break
		}
		found = append(found, occurrenceOf(e))
		if len(found) > 2*n {
			found = slices.Delete(found, 0, len(found)-n)
		}
	}
	found = found[max(0, len(found)-n):]
	slices.Reverse(found)
	return found, nil
}

// leaseAnswer is everything about one request.
type leaseAnswer struct {
	head
	Lease     *lease.Lease `json:"lease,omitempty"` // nil: only its history is known
	Position  int          `json:"position,omitzero"`
	WaitsFor  []edge       `json:"waits_for"`
	BlockedBy []edge       `json:"waited_for_by"`
	History   past         `json:"history"`
}

// lease serves one request: what the store knows of it now, not a copy.
func (h *handler) lease(r *http.Request) (any, error) {
	p := &parameters{r: r}
	id := lease.ID(p.text("id"))
	if p.err != nil {
		return nil, p.err
	}
	session, leave, err := h.feed.use(r.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	l, err := h.manager.Get(r.Context(), id)
	if err != nil && !errors.Is(err, lease.ErrNotFound) {
		return nil, err
	}
	history, historyErr := newest(r.Context(), h.manager, lease.Query{ID: id}, mostPast)
	if historyErr != nil {
		return nil, historyErr
	}
	s := session.mirror.snapshot()
	answer := leaseAnswer{head: s.head, WaitsFor: []edge{}, BlockedBy: []edge{}, History: history}
	if err == nil {
		l = plain(l)
		answer.Lease = &l
	} else if len(history.Events) == 0 {
		return nil, err
	}
	for i := range s.pending {
		if s.pending[i].ID == id {
			answer.Position = s.graph().position[i]
		}
	}
	for _, e := range s.graph().edges {
		if e.Waiter == id {
			answer.WaitsFor = append(answer.WaitsFor, e)
		}
		if e.Blocker == id && len(answer.BlockedBy) < counted {
			answer.BlockedBy = append(answer.BlockedBy, e)
		}
	}
	return answer, nil
}

// pathAnswer is everything about one path.
type pathAnswer struct {
	head
	Path    string `json:"path"`
	Rows    []row  `json:"rows"` // claims that cover it: those that hold it, then the line
	More    int    `json:"more,omitzero"`
	Held    int    `json:"held_below"`
	Waiting int    `json:"waiting_below"`
	History past   `json:"history"`
}

// path serves one path: who covers it, what is below, what happened to it.
func (h *handler) path(r *http.Request) (any, error) {
	p := &parameters{r: r}
	path, err := lease.CleanPath(p.text("path"))
	if p.err != nil || err != nil {
		return nil, errors.Join(p.err, err)
	}
	session, leave, err := h.feed.use(r.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	history, err := newest(r.Context(), h.manager, lease.Query{Path: path}, mostPast/2)
	if err != nil {
		return nil, err
	}
	s := session.mirror.snapshot()
	answer := pathAnswer{head: s.head, Path: path, Rows: []row{}, History: history}
	for _, c := range s.claims() {
		switch {
		case lease.Covers(lease.Claim{Path: c.Path, Scope: c.Scope}, path):
			if len(answer.Rows) == mostRows {
				answer.More++
				continue
			}
			answer.Rows = append(answer.Rows, *c)
		case below(c.Path, path) && c.Kind == "lease":
			answer.Held++
		case below(c.Path, path):
			answer.Waiting++
		}
	}
	slices.SortStableFunc(answer.Rows, func(a, b row) int {
		return compareBool(a.Kind == "waiter", b.Kind == "waiter")
	})
	return answer, nil
}

// eventsAnswer is the newest events, newest first.
type eventsAnswer struct {
	head
	past
}

// events serves the newest events, without a question to the store.
func (h *handler) events(r *http.Request) (any, error) {
	p := &parameters{r: r}
	f, limit := filterOf(p), p.number("limit", 100, mostRows)
	kind := lease.Kind(p.text("kind"))
	if p.err != nil {
		return nil, p.err
	}
	session, leave, err := h.feed.use(r.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	records, after := session.mirror.past()
	answer := eventsAnswer{head: session.mirror.snapshot().head, past: past{Events: []occurrence{}, Searched: after}}
	for _, rec := range slices.Backward(records) {
		if len(answer.Events) == limit {
			answer.Searched = rec.event.Seq
			break
		}
		l := &rec.event.Lease
		if kind != "" && kind != rec.event.Kind || !f.about(l) {
			continue
		}
		o := occurrenceOf(rec.event)
		o.Path = shorten(o.Path)
		answer.Events = append(answer.Events, o)
	}
	return answer, nil
}
