// Package otel traces and measures a Manager with OpenTelemetry.
//
// A [Telemetry] has an Observer, which the engine is given when it is made, and
// wraps the Manager that comes of it:
//
//	telemetry := otel.New(nil)
//	m, err := sqlitebackend.Open(ctx, "leases.db", &sqlitebackend.Options{
//		Engine: &backend.Options{Observer: telemetry.Observer()},
//	})
//	...
//	m = telemetry.Manager(m)
//
// Each call of Acquire, TryAcquire, Renew, Release and ForceRelease through the
// wrapped Manager is a span, and a span that met somebody has links to the spans
// of those who were in the way. The Observer adds the events of a wait (queued,
// woken, granted), and feeds the metrics, which need no wrapping.
//
// Tokens and labels are in no span, paths only with [Options.Paths].
// docs/metrics.md in the repository lists spans, attributes and metrics.
package otel
