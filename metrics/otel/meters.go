package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/leasekit/leasekit/backend"
)

// meters are the instruments.
type meters struct {
	acquire, wait, store        durations
	renewals, lost, storeErrors counts
	waiting                     metric.Int64UpDownCounter
	forced                      metric.Int64Counter
}

// The bounds of the buckets, in seconds.
var (
	callBounds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	longBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
)

func newMeters(m metric.Meter) meters {
	words := append(backend.ErrorLabels(), granted)
	return meters{
		acquire: newDurations(m, "leasekit.acquire.duration",
			"How long calls of Acquire and TryAcquire took, waits in line included.", longBounds, "outcome", words),
		wait: newDurations(m, "leasekit.wait.duration",
			"How long calls of Acquire waited in line.", longBounds, "outcome", words),
		store: newDurations(m, "leasekit.store.call.duration",
			"How long the calls of the store took.", callBounds, "operation", backend.StoreOps()),
		renewals: newCounts(m, "leasekit.renewals", "Calls of Renew that have returned.", "{call}", "outcome", words),
		lost:     newCounts(m, "leasekit.lost", "Calls that found their lease or place in line gone.", "{lease}", "reason", words),
		storeErrors: newCounts(m, "leasekit.store.errors",
			"Calls of the store that failed because it is out of reach or slow.", "{call}", "operation", backend.StoreOps()),
		waiting: made(m.Int64UpDownCounter("leasekit.waiting",
			metric.WithDescription("Calls of Acquire that wait in line."), metric.WithUnit("{call}"))),
		forced: made(m.Int64Counter("leasekit.forced",
			metric.WithDescription("Leases and waiters ended by ForceRelease."), metric.WithUnit("{lease}"))),
	}
}

// made tells OpenTelemetry's error handler if an instrument could not be made as
// asked; what the meter returned then works all the same, or does nothing.
func made[T any](instrument T, err error) T {
	if err != nil {
		otel.Handle(err)
	}
	return instrument
}

// attributes are the ready-made attributes for the values of one key.
type attributes map[string]metric.MeasurementOption

func newAttributes(key string, values []string) attributes {
	a := attributes{}
	for _, v := range values {
		a[v] = metric.WithAttributeSet(attribute.NewSet(attribute.String(key, v)))
	}
	return a
}

// durations is a histogram in seconds by one attribute.
type durations struct {
	metric.Float64Histogram
	by attributes
}

func newDurations(m metric.Meter, name, about string, bounds []float64, key string, values []string) durations {
	h := made(m.Float64Histogram(name, metric.WithDescription(about), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(bounds...)))
	return durations{h, newAttributes(key, values)}
}

func (d durations) record(ctx context.Context, took time.Duration, value string) {
	if by, ok := d.by[value]; ok {
		d.Record(ctx, took.Seconds(), by)
	}
}

// counts is a counter by one attribute.
type counts struct {
	metric.Int64Counter
	by attributes
}

func newCounts(m metric.Meter, name, about, unit, key string, values []string) counts {
	c := made(m.Int64Counter(name, metric.WithDescription(about), metric.WithUnit(unit)))
	return counts{c, newAttributes(key, values)}
}

func (c counts) add(ctx context.Context, value string) {
	if by, ok := c.by[value]; ok {
		c.Add(ctx, 1, by)
	}
}
