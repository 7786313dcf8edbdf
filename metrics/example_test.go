package metrics_test

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/metrics"
)

// The metrics come first: the engine is given their Observer when it is made.
func ExampleNew() {
	metered := metrics.New(&metrics.Options{Group: metrics.FirstSegment})
	m := memory.New(&memory.Options{Engine: &backend.Options{Observer: metered.Observer()}})
	defer m.Close()
	metered.Follow(m)
	registry := prometheus.NewRegistry()
	registry.MustRegister(metered)

	ctx := context.Background()
	_, _ = m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("src/a.go")})
	_, _ = m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("src/b.go")})
	families, _ := registry.Gather()
	for _, family := range families {
		if family.GetName() == "leasekit_held_leases" {
			fmt.Println(family.GetName(), family.GetMetric()[0].GetGauge().GetValue())
		}
	}
	// Output: leasekit_held_leases 2
}
