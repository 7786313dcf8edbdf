package otel_test

import (
	"testing"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/metrics/otel"
)

// TestManager: who is traced sees no other Manager.
func TestManager(t *testing.T) {
	conformance.RunManager(t, func(testing.TB) conformance.Managers {
		var s *memory.Store
		return conformance.Managers{Open: func(testing.TB) lease.Manager {
			if s == nil {
				s = memory.NewStore() // within the case's bubble
			}
			telemetry := otel.New(&otel.Options{
				TracerProvider: trace.NewTracerProvider(trace.WithSyncer(tracetest.NewNoopExporter())),
			})
			return telemetry.Manager(backend.New(s.Another(), &backend.Options{Observer: telemetry.Observer()}))
		}}
	})
}
