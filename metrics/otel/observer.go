package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Observer returns what the engine is given: it adds the events of a wait to the
// span of the call, and feeds the metrics.
func (t *Telemetry) Observer() *backend.Observer {
	return &backend.Observer{
		Granted: func(ctx context.Context, l lease.Lease, took time.Duration) {
			if c := callOf(ctx); c != nil {
				c.span.AddEvent("granted")
			}
			if l.Replaced != "" {
				t.spans.remove(l.Replaced)
			}
			t.meters.acquire.record(ctx, took, granted)
		},
		Refused: func(ctx context.Context, _ lease.Request, took time.Duration, err error) {
			t.meters.acquire.record(ctx, took, word(err))
		},
		Queued: t.queued,
		Woken: func(ctx context.Context, _ lease.ID, why backend.Wakeup) {
			if c := callOf(ctx); c != nil {
				c.span.AddEvent("woken", trace.WithAttributes(attribute.String("lease.reason", string(why))))
			}
		},
		LeftQueue: func(ctx context.Context, _ lease.Request, waited time.Duration, err error) {
			t.meters.waiting.Add(ctx, -1)
			w := granted
			if err != nil {
				w = word(err)
			}
			t.meters.wait.record(ctx, waited, w)
		},
		Renewed: func(ctx context.Context, _ lease.Lease, _ time.Duration) { t.meters.renewals.add(ctx, "ok") },
		RenewFailed: func(ctx context.Context, _ lease.Ref, _ time.Duration, err error) {
			t.meters.renewals.add(ctx, word(err))
		},
		Lost: func(ctx context.Context, err *lease.LostError) {
			t.spans.remove(err.Ref.ID)
			t.meters.lost.add(ctx, word(err))
		},
		Forced: func(ctx context.Context, _ lease.Revocation, ended []lease.Lease, _ error) {
			for _, l := range ended {
				t.spans.remove(l.ID)
			}
			t.meters.forced.Add(ctx, int64(len(ended)))
		},
		StoreCall: func(ctx context.Context, op string, took time.Duration, err error) {
			t.meters.store.record(ctx, took, op)
			if err != nil && backend.StoreFailure(err) {
				t.meters.storeErrors.add(ctx, op)
			}
		},
	}
}

func (t *Telemetry) queued(ctx context.Context, inTheWay *lease.ConflictError) {
	t.meters.waiting.Add(ctx, 1)
	c := callOf(ctx)
	if c == nil {
		return
	}
	attrs := []attribute.KeyValue{
		attribute.Int("lease.position", inTheWay.Position), attribute.Int("lease.blockers", inTheWay.Count),
	}
	if len(inTheWay.Blockers) > 0 {
		attrs = append(attrs, attribute.String("lease.blocker", inTheWay.Blockers[0].Holder))
	}
	c.span.AddEvent("queued", trace.WithAttributes(attrs...))
	c.manager.link(ctx, c.span, inTheWay.Blockers)
}

const granted = "granted" // what "ok" is called of a request

// word is backend.ErrorLabel; what the store says without being an error of
// package lease is "unavailable".
func word(err error) string {
	if w := backend.ErrorLabel(err); w != "other" {
		return w
	}
	return "unavailable"
}
