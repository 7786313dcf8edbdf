package otel_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/metrics/otel"
)

// The engine is given the Observer, and the Manager is wrapped.
func ExampleNew() {
	exported := tracetest.NewInMemoryExporter()
	telemetry := otel.New(&otel.Options{
		TracerProvider: trace.NewTracerProvider(trace.WithSyncer(exported)),
	})
	m := telemetry.Manager(memory.New(&memory.Options{Engine: &backend.Options{Observer: telemetry.Observer()}}))
	defer m.Close()

	ctx := context.Background()
	l, _ := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("plan.md")})
	_, _ = m.TryAcquire(ctx, lease.Request{Holder: "agent-8", Claims: lease.Paths("plan.md")})
	_ = m.Release(ctx, l.Ref())
	for _, span := range exported.GetSpans() {
		fmt.Println(span.Name, "links:", len(span.Links))
	}
	// Output:
	// lease.acquire links: 0
	// lease.try_acquire links: 1
	// lease.release links: 1
}
