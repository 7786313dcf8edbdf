package otel

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/leasekit/leasekit/lease"
)

// scope is the name of the instrumentation.
const scope = "github.com/leasekit/leasekit/metrics/otel"

// Options are what [New] may be told. The zero value, and nil, are the defaults.
type Options struct {
	TracerProvider trace.TracerProvider // nil: the global one
	MeterProvider  metric.MeterProvider // nil: the global one

	// Propagate writes the span of each request into the request's label
	// "traceparent", where whoever reads leases can see it, so that waiters in
	// other processes find the spans of what blocks them: with one call of Get
	// for each of up to four blockers, once in a wait.
	Propagate bool

	// Paths adds the first claim's path to spans, as lease.path.
	Paths bool
}

// Telemetry is made by [New]. It is safe for concurrent use.
type Telemetry struct {
	options Options
	tracer  trace.Tracer
	meters  meters
	spans   *spans
}

// New returns Telemetry for one Manager. Nil options are the defaults.
func New(o *Options) *Telemetry {
	t := &Telemetry{spans: newSpans(maxSpans)}
	if o != nil {
		t.options = *o
	}
	if t.options.TracerProvider == nil {
		t.options.TracerProvider = otel.GetTracerProvider()
	}
	if t.options.MeterProvider == nil {
		t.options.MeterProvider = otel.GetMeterProvider()
	}
	t.tracer = t.options.TracerProvider.Tracer(scope)
	t.meters = newMeters(t.options.MeterProvider.Meter(scope))
	return t
}

// traceparent is the label with the span of a request, in the form of the W3C.
const traceparent = "traceparent"

// inscribed returns the request with its span in its labels, unless they would
// be too long.
func (t *Telemetry) inscribed(ctx context.Context, r lease.Request) lease.Request {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	value := carrier[traceparent]
	size := len(traceparent) + len(value)
	labels := make(map[string]string, len(r.Labels)+1)
	for k, v := range r.Labels {
		labels[k] = v
		size += len(k) + len(v)
	}
	if value == "" || size > lease.MaxLabelsBytes {
		return r
	}
	labels[traceparent] = value
	r.Labels = labels
	return r
}

// inscription is the span in a lease's labels, if there is one.
func inscription(l lease.Lease) trace.SpanContext {
	carrier := propagation.MapCarrier{traceparent: l.Labels[traceparent]}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}
