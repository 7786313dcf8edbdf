package otel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

const (
	mostLookedUp = 4               // blockers of other processes, in a wait
	lookUpTime   = 2 * time.Second // for all of them
)

// Manager returns m with a span for each of its calls. Its engine is given
// [Telemetry.Observer], which adds the events of a wait.
func (t *Telemetry) Manager(m lease.Manager) lease.Manager { return &manager{Manager: m, t: t} }

type manager struct {
	lease.Manager
	t *Telemetry
}

// Unwrap implements [lease.Wrapper].
func (m *manager) Unwrap() lease.Acquirer { return m.Manager }

// call is what the Observer needs to know of a call, by its context.
type call struct {
	span    trace.Span
	manager *manager
}

type callKey struct{}

// callOf returns the call that a context belongs to, nil if there is none.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// start begins a span. What it returns ends with end.
func (m *manager) start(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	ctx, span := m.t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	if !span.IsRecording() {
		return ctx, span
	}
	return context.WithValue(ctx, callKey{}, &call{span: span, manager: m}), span
}

// end ends a span with its outcome. That somebody else holds what was asked for
// is no error.
func end(span trace.Span, err error) {
	label := backend.ErrorLabel(err)
	span.SetAttributes(attribute.String("lease.outcome", label))
	switch label {
	case "ok", "conflict", "cancelled":
	default:
		span.SetAttributes(attribute.String("error.type", label))
		span.RecordError(err)
		span.SetStatus(codes.Error, label)
	}
	span.End()
}

// Acquire is a span named lease.acquire.
func (m *manager) Acquire(ctx context.Context, r lease.Request) (lease.Lease, error) {
	return m.acquire(ctx, "lease.acquire", r, m.Manager.Acquire)
}

// TryAcquire is a span named lease.try_acquire.
func (m *manager) TryAcquire(ctx context.Context, r lease.Request) (lease.Lease, error) {
	return m.acquire(ctx, "lease.try_acquire", r, m.Manager.TryAcquire)
}

func (m *manager) acquire(
	ctx context.Context, name string, r lease.Request,
	do func(context.Context, lease.Request) (lease.Lease, error),
) (lease.Lease, error) {
	if r.ID == "" {
		r.ID = lease.NewID() // it names the request for links
	}
	ctx, span := m.start(ctx, name,
		attribute.String("lease.id", string(r.ID)),
		attribute.String("lease.holder", r.Holder),
		attribute.Int("lease.claims", len(r.Claims)))
	if m.t.options.Paths && len(r.Claims) > 0 {
		span.SetAttributes(attribute.String("lease.path", r.Claims[0].Path))
	}
	if m.t.options.Propagate {
		r = m.t.inscribed(ctx, r)
	}
	m.t.spans.add(r.ID, span.SpanContext())
	l, err := do(ctx, r)
	switch conflict, refused := errors.AsType[*lease.ConflictError](err); {
	case err == nil:
		span.SetAttributes(attribute.Float64("lease.waited", l.Waited.Seconds()))
	case refused && conflict.Position > 0:
		// The client keeps its place, and asks again.
		m.link(ctx, span, conflict.Blockers)
	default:
		m.t.spans.remove(r.ID)
		if refused && name == "lease.try_acquire" {
			m.link(ctx, span, conflict.Blockers)
		}
	}
	end(span, err)
	return l, err
}

// link adds links to the spans of what is in the way.
func (m *manager) link(ctx context.Context, span trace.Span, blockers []lease.Blocker) {
	if !span.IsRecording() {
		return
	}
	var unknown []lease.Blocker
	for _, b := range blockers {
		if found := m.t.spans.find(b.ID); found.IsValid() {
			span.AddLink(linkTo(b, found))
		} else {
			unknown = append(unknown, b)
		}
	}
	if !m.t.options.Propagate {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	for _, b := range unknown[:min(len(unknown), mostLookedUp)] {
		l, err := m.Get(ctx, b.ID)
		if err != nil {
			return // a link is not worth more than that
		}
		if found := inscription(l); found.IsValid() {
			span.AddLink(linkTo(b, found))
		}
	}
}

func linkTo(b lease.Blocker, span trace.SpanContext) trace.Link {
	return trace.Link{SpanContext: span, Attributes: []attribute.KeyValue{
		attribute.String("lease.blocker", b.Holder),
		attribute.String("lease.id", string(b.ID)),
		attribute.Bool("lease.waiting", b.Waiting),
	}}
}

// Renew is a span named lease.renew, with a link to the span that acquired the
// lease.
func (m *manager) Renew(ctx context.Context, ref lease.Ref, ttl time.Duration) (lease.Lease, error) {
	ctx, span := m.startOf(ctx, "lease.renew", ref)
	l, err := m.Manager.Renew(ctx, ref, ttl)
	if err == nil {
		span.SetAttributes(attribute.Int("lease.renewals", l.Renewals), attribute.Int("lease.waiters", l.Contention.Waiters))
	}
	end(span, err)
	return l, err
}

// SetLabels is a span named lease.set_labels, with a link to the span that
// acquired the lease.
func (m *manager) SetLabels(ctx context.Context, ref lease.Ref, labels map[string]string) (lease.Lease, error) {
	ctx, span := m.startOf(ctx, "lease.set_labels", ref)
	l, err := m.Manager.SetLabels(ctx, ref, labels)
	end(span, err)
	return l, err
}

// Release is a span named lease.release, with a link to the span that acquired
// the lease.
func (m *manager) Release(ctx context.Context, ref lease.Ref) error {
	ctx, span := m.startOf(ctx, "lease.release", ref)
	err := m.Manager.Release(ctx, ref)
	if err == nil {
		m.t.spans.remove(ref.ID)
	}
	end(span, err)
	return err
}

func (m *manager) startOf(ctx context.Context, name string, ref lease.Ref) (context.Context, trace.Span) {
	ctx, span := m.start(ctx, name,
		attribute.String("lease.id", string(ref.ID)), attribute.String("lease.holder", ref.Holder))
	if found := m.t.spans.find(ref.ID); found.IsValid() {
		span.AddLink(trace.Link{SpanContext: found})
	}
	return ctx, span
}

// ForceRelease is a span named lease.force_release.
func (m *manager) ForceRelease(ctx context.Context, q lease.Query, f lease.Revocation) ([]lease.Lease, error) {
	ctx, span := m.start(ctx, "lease.force_release")
	ended, err := m.Manager.ForceRelease(ctx, q, f)
	span.SetAttributes(attribute.Int("lease.ended", len(ended)))
	end(span, err)
	return ended, err
}

// Closing is what a [lease.Keeper] looks for: when the Manager is closed.
func (m *manager) Closing() <-chan struct{} {
	if c, ok := m.Manager.(interface{ Closing() <-chan struct{} }); ok {
		return c.Closing()
	}
	return nil
}

// Calls is what a [lease.Keeper] looks for: a context that is bound to the
// Manager's Close.
func (m *manager) Calls() context.Context {
	if c, ok := m.Manager.(interface{ Calls() context.Context }); ok {
		return c.Calls()
	}
	return context.Background()
}
