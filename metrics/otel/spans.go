package otel

import (
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/leasekit/leasekit/lease"
)

// maxSpans bounds the requests whose spans are remembered: of what is held for
// very long, the oldest are forgotten, and then nothing links to them.
const maxSpans = 10_000

// spans are the spans of this process's requests, for as long as they wait or
// hold.
type spans struct {
	most int

	mu    sync.Mutex
	known map[lease.ID]trace.SpanContext
	order []lease.ID // in which they came; may name some that are no longer known
}

func newSpans(most int) *spans {
	return &spans{most: most, known: make(map[lease.ID]trace.SpanContext)}
}

func (s *spans) add(id lease.ID, span trace.SpanContext) {
	if !span.IsValid() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.known[id]; again {
		return // the span that asked first is the one that tells most
	}
	s.known[id] = span
	s.order = append(s.order, id)
	for len(s.known) > s.most {
		delete(s.known, s.order[0])
		s.order = s.order[1:]
	}
	if len(s.order) > 2*s.most {
		kept := make([]lease.ID, 0, len(s.known))
		for _, id := range s.order {
			if _, ok := s.known[id]; ok {
				kept = append(kept, id)
			}
		}
		s.order = kept
	}
}

func (s *spans) remove(id lease.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}

func (s *spans) find(id lease.ID) trace.SpanContext {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[id]
}
