package otel_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/metrics/otel"
)

// world is a traced Manager in memory, with what it exported.
type world struct {
	lease.Manager
	exported *tracetest.InMemoryExporter
	reader   *metric.ManualReader
	options  *otel.Options
}

// newWorld is a process on the store.
func newWorld(t *testing.T, s backend.Store, o otel.Options) world {
	w := world{exported: tracetest.NewInMemoryExporter(), reader: metric.NewManualReader(), options: &o}
	o.TracerProvider = trace.NewTracerProvider(trace.WithSyncer(w.exported))
	o.MeterProvider = metric.NewMeterProvider(metric.WithReader(w.reader))
	telemetry := otel.New(&o)
	w.Manager = telemetry.Manager(backend.New(s, &backend.Options{Observer: telemetry.Observer()}))
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

func bubble(t *testing.T, o otel.Options, f func(t *testing.T, w world)) {
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t, memory.NewStore(), o)) })
}

// span returns the only exported span with this name and holder.
func (w world) span(t *testing.T, name, holder string) tracetest.SpanStub {
	t.Helper()
	var found []tracetest.SpanStub
	for _, s := range w.exported.GetSpans() {
		if s.Name == name && (holder == "" || value(s.Attributes, "lease.holder") == holder) {
			found = append(found, s)
		}
	}
	require.Len(t, found, 1, "%s of %s", name, holder)
	return found[0]
}

func value(attrs []attribute.KeyValue, key attribute.Key) string {
	for _, a := range attrs {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

func events(s tracetest.SpanStub) []string {
	names := make([]string, len(s.Events))
	for i, e := range s.Events {
		names[i] = e.Name
	}
	return names
}

func request(holder, path string) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: time.Minute}
}

func TestAWaitIsASpanWithEventsAndALink(t *testing.T) {
	bubble(t, otel.Options{}, func(t *testing.T, w world) {
		ctx := t.Context()
		held, err := w.Acquire(ctx, request("a", "p"))
		require.NoError(t, err)
		done := make(chan lease.Lease)
		go func() {
			l, err := w.Acquire(ctx, request("b", "p"))
			require.NoError(t, err)
			done <- l
		}()
		synctest.Wait()
		time.Sleep(2 * time.Second)
		held, err = w.Renew(ctx, held.Ref(), 0)
		require.NoError(t, err)
		require.NoError(t, w.Release(ctx, held.Ref()))
		require.NoError(t, w.Release(ctx, (<-done).Ref()))

		first, second := w.span(t, "lease.acquire", "a"), w.span(t, "lease.acquire", "b")
		require.Equal(t, []string{"granted"}, events(first))
		require.Empty(t, first.Links)
		require.Equal(t, string(held.ID), value(first.Attributes, "lease.id"))
		require.Equal(t, []string{"queued", "woken", "granted"}, events(second))
		queued := second.Events[0].Attributes
		require.Equal(t, "a", value(queued, "lease.blocker"))
		require.Equal(t, "1", value(queued, "lease.position"))
		require.Equal(t, "hint", value(second.Events[1].Attributes, "lease.reason"))
		require.Equal(t, "ok", value(second.Attributes, "lease.outcome"))
		require.Equal(t, "2", value(second.Attributes, "lease.waited"))
		require.Equal(t, 2*time.Second, second.EndTime.Sub(second.StartTime))
		require.Len(t, second.Links, 1)
		require.Equal(t, first.SpanContext, second.Links[0].SpanContext)
		require.Equal(t, "a", value(second.Links[0].Attributes, "lease.blocker"))

		renew := w.span(t, "lease.renew", "a")
		require.Equal(t, first.SpanContext, renew.Links[0].SpanContext)
		require.Equal(t, "1", value(renew.Attributes, "lease.renewals"))
		require.Equal(t, "1", value(renew.Attributes, "lease.waiters"))
		require.Equal(t, first.SpanContext, w.span(t, "lease.release", "a").Links[0].SpanContext)
		require.Equal(t, codes.Unset, second.Status.Code)
	})
}

func TestRefusalsAreLinkedAndOnlySomeAreErrors(t *testing.T) {
	bubble(t, otel.Options{Paths: true}, func(t *testing.T, w world) {
		ctx := t.Context()
		held, err := w.TryAcquire(ctx, request("a", "p"))
		require.NoError(t, err)
		_, err = w.TryAcquire(ctx, request("b", "p"))
		require.ErrorIs(t, err, lease.ErrConflict)
		refused := w.span(t, "lease.try_acquire", "b")
		require.Equal(t, "conflict", value(refused.Attributes, "lease.outcome"))
		require.Equal(t, "p", value(refused.Attributes, "lease.path"))
		require.Equal(t, codes.Unset, refused.Status.Code)
		require.Equal(t, w.span(t, "lease.try_acquire", "a").SpanContext, refused.Links[0].SpanContext)

		r := request("c", "p")
		r.Timeout = time.Second
		_, err = w.Acquire(ctx, r)
		require.ErrorIs(t, err, lease.ErrTimeout)
		late := w.span(t, "lease.acquire", "c")
		require.Equal(t, codes.Error, late.Status.Code)
		require.Equal(t, "timeout", value(late.Attributes, "error.type"))
		require.Len(t, late.Links, 1)

		_, err = w.ForceRelease(ctx, lease.Query{Holder: "a"}, lease.Revocation{Actor: "ops"})
		require.NoError(t, err)
		require.Equal(t, "1", value(w.span(t, "lease.force_release", "").Attributes, "lease.ended"))
		_, err = w.Renew(ctx, held.Ref(), 0)
		require.ErrorIs(t, err, lease.ErrRevoked)
		require.Equal(t, "revoked", value(w.span(t, "lease.renew", "a").Attributes, "error.type"))
	})
}

// A waiter keeps its place between calls, and a waiter may be what blocks.
func TestLinksToWaiters(t *testing.T) {
	bubble(t, otel.Options{}, func(t *testing.T, w world) {
		_, err := w.TryAcquire(t.Context(), request("a", "p"))
		require.NoError(t, err)
		waiter := request("b", "p")
		waiter.ID, waiter.QueueTTL = lease.NewID(), time.Minute
		_, err = w.TryAcquire(t.Context(), waiter)
		require.ErrorIs(t, err, lease.ErrConflict)
		_, err = w.TryAcquire(t.Context(), request("c", "p"))
		require.ErrorIs(t, err, lease.ErrConflict)
		links := w.span(t, "lease.try_acquire", "c").Links
		require.Len(t, links, 2)
		require.Equal(t, w.span(t, "lease.try_acquire", "b").SpanContext, links[1].SpanContext)
		require.Equal(t, "true", value(links[1].Attributes, "lease.waiting"))
	})
}

func TestLinksBetweenProcesses(t *testing.T) {
	for _, propagate := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			store := memory.NewStore()
			one := newWorld(t, store, otel.Options{Propagate: propagate})
			two := newWorld(t, store, otel.Options{Propagate: propagate})
			r := request("a", "p")
			r.Labels = map[string]string{"branch": "main"}
			l, err := one.TryAcquire(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, map[string]string{"branch": "main"}, r.Labels, "the caller's labels are not touched")
			r = request("b", "p")
			r.Timeout = time.Second
			_, err = two.Acquire(t.Context(), r)
			require.ErrorIs(t, err, lease.ErrTimeout)
			waiter := two.span(t, "lease.acquire", "b")
			if !propagate {
				require.NotContains(t, l.Labels, "traceparent")
				require.Empty(t, waiter.Links)
				return
			}
			require.Contains(t, l.Labels, "traceparent")
			require.Len(t, waiter.Links, 1)
			holder := one.span(t, "lease.try_acquire", "a").SpanContext
			require.Equal(t, holder.SpanID(), waiter.Links[0].SpanContext.SpanID())
			require.Equal(t, holder.TraceID(), waiter.Links[0].SpanContext.TraceID())
		})
	}
}

// Labels that are full stay as they are.
func TestFullLabelsAreNotInscribed(t *testing.T) {
	bubble(t, otel.Options{Propagate: true}, func(t *testing.T, w world) {
		r := request("a", "p")
		r.Labels = map[string]string{"k": strings.Repeat("x", lease.MaxLabelsBytes-1)}
		l, err := w.TryAcquire(t.Context(), r)
		require.NoError(t, err)
		require.Len(t, l.Labels, 1)
	})
}

// A Keeper finds what it looks for through the wrapping.
func TestKeeper(t *testing.T) {
	bubble(t, otel.Options{}, func(t *testing.T, w world) {
		k := lease.NewKeeper(w.Manager, nil)
		l, err := w.TryAcquire(t.Context(), request("a", "p"))
		require.NoError(t, err)
		kept, err := k.Keep(t.Context(), l, nil)
		require.NoError(t, err)
		time.Sleep(25 * time.Second)
		require.NoError(t, kept.Err())
		require.NotEmpty(t, w.span(t, "lease.renew", "a").Links)
		require.NoError(t, w.Close())
		synctest.Wait()
		require.ErrorIs(t, kept.Err(), lease.ErrClosed)
	})
}

func TestSpansShowNoTokenNoLabelNoPath(t *testing.T) {
	bubble(t, otel.Options{}, func(t *testing.T, w world) {
		r := request("a", "secret-path")
		r.Labels = map[string]string{"prompt": "secret-label"}
		l, err := w.Acquire(t.Context(), r)
		require.NoError(t, err)
		_, err = w.TryAcquire(t.Context(), request("b", "secret-path"))
		require.Error(t, err)
		require.NoError(t, w.Release(t.Context(), l.Ref()))
		all := fmt.Sprintf("%+v", w.exported.GetSpans())
		require.NotContains(t, all, "secret")
		require.NotContains(t, all, fmt.Sprint(l.Token))
	})
}

func TestMetrics(t *testing.T) {
	bubble(t, otel.Options{}, func(t *testing.T, w world) {
		ctx := t.Context()
		l, err := w.TryAcquire(ctx, request("a", "p"))
		require.NoError(t, err)
		r := request("b", "p")
		r.Timeout = 2 * time.Second
		go func() { _, _ = w.Acquire(ctx, r) }()
		synctest.Wait()
		require.EqualValues(t, 1, w.metrics(t)["leasekit.waiting"])
		time.Sleep(3 * time.Second)
		_, err = w.ForceRelease(ctx, lease.Query{Holder: "a"}, lease.Revocation{Actor: "ops"})
		require.NoError(t, err)
		_, err = w.Renew(ctx, l.Ref(), 0)
		require.Error(t, err)
		got := w.metrics(t)
		for name, want := range map[string]float64{
			"leasekit.acquire.duration outcome=granted":    0,
			"leasekit.acquire.duration outcome=timeout":    2,
			"leasekit.wait.duration outcome=timeout":       2,
			"leasekit.waiting":                             0,
			"leasekit.renewals outcome=revoked":            1,
			"leasekit.lost reason=revoked":                 1,
			"leasekit.forced":                              1,
			"leasekit.store.call.duration operation=renew": 0,
		} {
			require.Contains(t, got, name)
			require.InDelta(t, want, got[name], 1e-9, name)
		}
	})
}

// metrics returns the values of counters and the sums of histograms.
func (w world) metrics(t *testing.T) map[string]float64 {
	var data metricdata.ResourceMetrics
	require.NoError(t, w.reader.Collect(context.Background(), &data))
	all := map[string]float64{}
	name := func(m metricdata.Metrics, attrs attribute.Set) string {
		n := m.Name
		for _, a := range attrs.ToSlice() {
			n += fmt.Sprintf(" %s=%s", a.Key, a.Value.String())
		}
		return n
	}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					all[name(m, p.Attributes)] = float64(p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					all[name(m, p.Attributes)] = p.Sum
				}
			}
		}
	}
	return all
}
