package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/metrics"
)

// world is a Manager in memory with its metrics.
type world struct {
	lease.Manager
	metered  *metrics.Metrics
	registry *prometheus.Registry
}

// bubble runs f in a synctest bubble, so that durations are exact.
func bubble(t *testing.T, o *metrics.Options, f func(t *testing.T, w world)) {
	synctest.Test(t, func(t *testing.T) {
		w := world{metered: metrics.New(o), registry: prometheus.NewPedanticRegistry()}
		w.Manager = memory.New(&memory.Options{Engine: &backend.Options{Observer: w.metered.Observer()}})
		w.metered.Follow(w.Manager)
		require.NoError(t, w.registry.Register(w.metered))
		defer func() { require.NoError(t, w.Close()) }()
		f(t, w)
	})
}

// values gathers everything as text: `name{label="value"}`, "_count" and "_sum"
// of histograms.
func (w world) values(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := w.registry.Gather()
	require.NoError(t, err)
	all := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			suffix := ""
			if len(labels) > 0 {
				suffix = "{" + strings.Join(labels, ",") + "}"
			}
			name := family.GetName()
			switch {
			case m.GetHistogram() != nil:
				all[name+"_count"+suffix] = float64(m.GetHistogram().GetSampleCount())
				all[name+"_sum"+suffix] = m.GetHistogram().GetSampleSum()
			case m.GetCounter() != nil:
				all[name+suffix] = m.GetCounter().GetValue()
			default:
				all[name+suffix] = m.GetGauge().GetValue()
			}
		}
	}
	return all
}

// requireValues requires these values, and that every other counter whose name
// begins with one of the prefixes is 0.
func (w world) requireValues(t *testing.T, want map[string]float64, rest ...string) {
	t.Helper()
	got := w.values(t)
	for name, value := range want {
		require.Contains(t, got, name)
		require.InDelta(t, value, got[name], 1e-9, name)
	}
	for name, value := range got {
		for _, prefix := range rest {
			if _, wanted := want[name]; strings.HasPrefix(name, prefix) && !wanted {
				require.Zero(t, value, name)
			}
		}
	}
}

// margin is what a lease of a minute lasts less than a minute for its holder.
const margin = 600 * time.Millisecond

func request(holder, path string) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: time.Minute}
}

func (w world) acquire(t *testing.T, holder, path string) lease.Lease {
	t.Helper()
	l, err := w.TryAcquire(t.Context(), request(holder, path))
	require.NoError(t, err)
	return l
}

func TestRequests(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w world) {
		l := w.acquire(t, "a", "p")
		_, err := w.TryAcquire(t.Context(), request("b", "p"))
		require.ErrorIs(t, err, lease.ErrConflict)

		r := request("b", "p")
		r.Timeout = 2 * time.Second
		_, err = w.Acquire(t.Context(), r)
		require.ErrorIs(t, err, lease.ErrTimeout)

		done := make(chan lease.Lease)
		go func() {
			got, err := w.Acquire(t.Context(), request("b", "p"))
			require.NoError(t, err)
			done <- got
		}()
		synctest.Wait()
		time.Sleep(5 * time.Second)
		w.requireValues(t, map[string]float64{
			"leasekit_held_leases": 1, "leasekit_waiting_requests": 1,
			"leasekit_namespace_up": 1, "leasekit_namespace_leases": 1, "leasekit_namespace_waiters": 1,
			"leasekit_namespace_oldest_waiter_seconds": 5, "leasekit_namespace_refusals_total": 1,
			"leasekit_namespace_sweep_interval_seconds": 300, "leasekit_namespace_config_version": 1,
		})
		require.NoError(t, w.Release(t.Context(), l.Ref()))
		got := <-done

		// Each waits for the other.
		other := w.acquire(t, "c", "q")
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := w.Acquire(ctx, request("c", "p"))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			done <- lease.Lease{}
		}()
		synctest.Wait()
		_, err = w.Acquire(t.Context(), request("b", "q"))
		require.ErrorIs(t, err, lease.ErrDeadlock)
		<-done
		require.NoError(t, w.Release(t.Context(), other.Ref()))
		require.NoError(t, w.Release(t.Context(), got.Ref()))

		w.requireValues(t, map[string]float64{
			`leasekit_acquires_total{outcome="granted"}`:                      3,
			`leasekit_acquires_total{outcome="conflict"}`:                     1,
			`leasekit_acquires_total{outcome="timeout"}`:                      2,
			`leasekit_acquires_total{outcome="deadlock"}`:                     1,
			`leasekit_acquire_duration_seconds_sum{outcome="granted"}`:        5,
			`leasekit_acquire_duration_seconds_sum{outcome="timeout"}`:        3,
			`leasekit_wait_duration_seconds_count{outcome="granted"}`:         1,
			`leasekit_wait_duration_seconds_sum{outcome="granted"}`:           5,
			`leasekit_wait_duration_seconds_count{outcome="timeout"}`:         2,
			`leasekit_hold_duration_seconds_count{end="released"}`:            3,
			`leasekit_hold_duration_seconds_sum{end="released"}`:              9, // 7 + 1 + 1
			`leasekit_releases_total{outcome="ok"}`:                           3,
			`leasekit_withdrawals_total{outcome="ok"}`:                        2,
			`leasekit_wakeups_total{reason="hint"}`:                           1,
			`leasekit_held_leases`:                                            0,
			`leasekit_waiting_requests`:                                       0,
			`leasekit_namespace_leases`:                                       0,
			`leasekit_namespace_oldest_waiter_seconds`:                        0,
			`leasekit_store_call_duration_seconds_count{operation="release"}`: 3,
		}, "leasekit_acquires_total", "leasekit_releases_total", "leasekit_withdrawals_total",
			"leasekit_store_errors_total", "leasekit_lost_total")
	})
}

func TestHolds(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w world) {
		ctx := t.Context()
		l := w.acquire(t, "a", "p")
		time.Sleep(30 * time.Second) // in time
		l, err := w.Renew(ctx, l.Ref(), 0)
		require.NoError(t, err)
		time.Sleep(50 * time.Second) // late
		l, err = w.Renew(ctx, l.Ref(), 0)
		require.NoError(t, err)
		w.requireValues(t, map[string]float64{
			`leasekit_renewals_total{outcome="ok"}`: 2, "leasekit_renewals_late_total": 1,
		})
		r := request("a", "p")
		r.Replace = l.Ref()
		l, err = w.TryAcquire(ctx, r)
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		w.requireValues(t, map[string]float64{
			`leasekit_hold_duration_seconds_sum{end="replaced"}`: 80,
			`leasekit_hold_duration_seconds_sum{end="expired"}`:  60 - margin.Seconds(),
			"leasekit_held_leases":                               0,
		})
		_, err = w.Renew(ctx, l.Ref(), 0)
		require.ErrorIs(t, err, lease.ErrExpired)
		require.ErrorIs(t, w.Release(ctx, l.Ref()), lease.ErrExpired)

		l = w.acquire(t, "a", "p")
		time.Sleep(time.Second)
		stranger := l.Ref()
		stranger.Holder = "b"
		_, err = w.Renew(ctx, stranger, 0)
		require.ErrorIs(t, err, lease.ErrNotHolder)
		require.EqualValues(t, 1, w.values(t)["leasekit_held_leases"])
		_, err = w.ForceRelease(ctx, lease.Query{Holder: "a"}, lease.Revocation{Actor: "ops"})
		require.NoError(t, err)
		_, err = w.Renew(ctx, l.Ref(), 0)
		require.ErrorIs(t, err, lease.ErrRevoked)
		w.requireValues(t, map[string]float64{
			`leasekit_hold_duration_seconds_sum{end="revoked"}`:          1,
			`leasekit_renewals_total{outcome="ok"}`:                      2,
			`leasekit_renewals_total{outcome="expired"}`:                 1,
			`leasekit_renewals_total{outcome="revoked"}`:                 1,
			`leasekit_renewals_total{outcome="not_holder"}`:              1,
			`leasekit_releases_total{outcome="expired"}`:                 1,
			`leasekit_lost_total{operation="renew",reason="expired"}`:    1,
			`leasekit_lost_total{operation="renew",reason="revoked"}`:    1,
			`leasekit_lost_total{operation="renew",reason="not_holder"}`: 1,
			`leasekit_lost_total{operation="release",reason="expired"}`:  1,
			"leasekit_forced_total":                                      1,
			"leasekit_held_leases":                                       0,
		}, "leasekit_renewals_total", "leasekit_releases_total", "leasekit_lost_total")
	})
}

// A lease that another process was granted is held here once it is renewed here,
// since it was granted.
func TestAdoptedLease(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w world) {
		l := w.acquire(t, "a", "p")
		other := metrics.New(nil)
		time.Sleep(10 * time.Second)
		l, err := w.Renew(t.Context(), l.Ref(), 0)
		require.NoError(t, err)
		o := other.Observer()
		o.Renewed(t.Context(), l, 0)
		time.Sleep(5 * time.Second)
		o.Released(t.Context(), l.Ref(), 0)
		registry := prometheus.NewPedanticRegistry()
		require.NoError(t, registry.Register(other))
		world{registry: registry}.requireValues(t, map[string]float64{
			`leasekit_hold_duration_seconds_sum{end="released"}`: 15, "leasekit_renewals_late_total": 0,
		})
	})
}

func TestSweepsAndStoreErrors(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w world) {
		began := w.values(t)["leasekit_last_sweep_timestamp_seconds"]
		require.InDelta(t, time.Now().Unix(), began, 1)
		w.acquire(t, "a", "p")
		time.Sleep(2 * time.Minute)
		_, err := w.Sweep(t.Context())
		require.NoError(t, err)
		o := w.metered.Observer()
		down := errors.New("connection refused")
		o.Swept(t.Context(), lease.SweepResult{}, time.Second, &lease.UnavailableError{Err: down})
		o.StoreCall(t.Context(), "force release", time.Second, down)
		o.StoreCall(t.Context(), "renew", time.Second, context.DeadlineExceeded)
		o.StoreCall(t.Context(), "renew", time.Second, context.Canceled)    // not its fault
		o.StoreCall(t.Context(), "set config", 0, lease.ErrVersion)         // nor this
		o.StoreCall(t.Context(), "an operation to come", time.Second, down) // and no panic
		w.requireValues(t, map[string]float64{
			`leasekit_swept_total{kind="expired"}`:                                        1,
			`leasekit_sweeps_total{outcome="ok"}`:                                         1,
			`leasekit_sweeps_total{outcome="unavailable"}`:                                1,
			"leasekit_sweep_duration_seconds_count":                                       2,
			"leasekit_last_sweep_timestamp_seconds":                                       began + 120,
			`leasekit_store_errors_total{operation="force_release",reason="unavailable"}`: 1,
			`leasekit_store_errors_total{operation="renew",reason="timeout"}`:             1,
		}, "leasekit_sweeps_total", "leasekit_store_errors_total")
	})
}

func TestKeeper(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w world) {
		k := lease.NewKeeper(w, &lease.KeeperOptions{Observer: w.metered.KeeperObserver()})
		defer k.Close()
		kept, err := k.Keep(t.Context(), w.acquire(t, "a", "p"), nil)
		require.NoError(t, err)
		stalled, err := k.Keep(t.Context(), w.acquire(t, "a", "q"), &lease.KeepOptions{Progress: time.Second})
		require.NoError(t, err)
		<-stalled.Context().Done()
		require.NoError(t, kept.Err())
		o := w.metered.KeeperObserver()
		o.Retried(kept.Lease(), &lease.UnavailableError{Err: errors.New("connection refused")})
		got := w.values(t)
		require.Greater(t, got[`leasekit_keeper_renewals_total{outcome="ok"}`], 1.0)
		require.Equal(t, got[`leasekit_keeper_renewals_total{outcome="ok"}`], got["leasekit_keeper_renewal_duration_seconds_count"])
		w.requireValues(t, map[string]float64{
			`leasekit_keeper_renewals_total{outcome="unavailable"}`: 1,
			`leasekit_keeper_lost_total{reason="expired"}`:          1,
			"leasekit_keeper_skipped_total":                         1,
			`leasekit_hold_duration_seconds_count{end="expired"}`:   1,
			"leasekit_held_leases":                                  1,
		}, "leasekit_keeper_lost_total")
		require.NoError(t, kept.Release(t.Context()))
	})
}

func TestGroups(t *testing.T) {
	o := &metrics.Options{Group: metrics.FirstSegment, MaxGroups: 3, ConstLabels: prometheus.Labels{"store": "main"}}
	bubble(t, o, func(t *testing.T, w world) {
		for _, path := range []string{"src/a", "src/b/c", "docs", "/", "one/more", "and/one"} {
			w.acquire(t, "a", path)
		}
		w.requireValues(t, map[string]float64{
			`leasekit_acquires_total{group="src",outcome="granted",store="main"}`:   2,
			`leasekit_acquires_total{group="docs",outcome="granted",store="main"}`:  1,
			`leasekit_acquires_total{group="/",outcome="granted",store="main"}`:     1,
			`leasekit_acquires_total{group="other",outcome="granted",store="main"}`: 2,
			`leasekit_held_leases{store="main"}`:                                    6,
		}, "leasekit_acquires_total")
	})
	bad := &metrics.Options{Group: func(string) string { return "\xff" }}
	bubble(t, bad, func(t *testing.T, w world) {
		w.acquire(t, "a", "p")
		require.Contains(t, w.values(t), `leasekit_acquires_total{group="?",outcome="granted"}`)
	})
}

// What the store does not say is left out, and the scrape is whole otherwise.
func TestNamespaceOutOfReach(t *testing.T) {
	bubble(t, &metrics.Options{ReadTimeout: time.Second}, func(t *testing.T, w world) {
		w.acquire(t, "a", "p")
		w.metered.Follow(hanging{})
		began := time.Now()
		got := w.values(t)
		require.Equal(t, time.Second, time.Since(began))
		require.Zero(t, got["leasekit_namespace_up"])
		require.NotContains(t, got, "leasekit_namespace_leases")
		require.EqualValues(t, 1, got["leasekit_held_leases"])
		w.metered.Follow(nil)
		require.NotContains(t, w.values(t), "leasekit_namespace_up")
	})
}

// hanging is an Inspector whose store does not answer.
type hanging struct{ lease.Inspector }

func (hanging) Stats(ctx context.Context) (lease.Stats, error) {
	<-ctx.Done()
	return lease.Stats{}, &lease.UnavailableError{Op: "stats", Err: ctx.Err()}
}

func (hanging) List(context.Context, lease.Query) iter.Seq2[lease.Lease, error] { return nil }

func TestBadLabelIsAnErrorOfRegister(t *testing.T) {
	for _, labels := range []prometheus.Labels{{"outcome": "x"}, {"\xff": "x"}} {
		m := metrics.New(&metrics.Options{ConstLabels: labels})
		require.Error(t, prometheus.NewRegistry().Register(m))
	}
}

func TestLint(t *testing.T) {
	bubble(t, &metrics.Options{Group: metrics.FirstSegment}, func(t *testing.T, w world) {
		l := w.acquire(t, "a", "p")
		require.NoError(t, w.Release(t.Context(), l.Ref()))
		problems, err := testutil.GatherAndLint(w.registry)
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// Leases that nobody ends do not stay in memory for ever, even if nobody scrapes.
func TestForgottenLeasesAreDropped(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w world) {
		o := w.metered.Observer()
		l := w.acquire(t, "a", "p")
		for i := range 100_000 {
			l.ID = lease.ID(fmt.Sprint("crashed-", i))
			o.Granted(t.Context(), l, 0)
			if i%10_000 == 0 {
				time.Sleep(2 * time.Minute)
				var err error
				l, err = w.TryAcquire(t.Context(), request("a", "p"))
				require.NoError(t, err)
			}
		}
		time.Sleep(2 * time.Minute)
		require.Zero(t, w.values(t)["leasekit_held_leases"])
		require.Greater(t, w.values(t)[`leasekit_hold_duration_seconds_count{end="expired"}`], 100_000.0)
	})
}

func TestManyAtOnce(t *testing.T) {
	metered := metrics.New(&metrics.Options{Group: metrics.FirstSegment, MaxGroups: 5})
	m := memory.New(&memory.Options{Engine: &backend.Options{Observer: metered.Observer()}})
	defer m.Close()
	metered.Follow(m)
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(metered))
	var workers sync.WaitGroup
	for worker := range 16 {
		workers.Go(func() {
			for i := range 100 {
				l, err := m.TryAcquire(t.Context(), request(fmt.Sprint(worker), fmt.Sprintf("%d/%d", worker, i)))
				if err == nil {
					err = m.Release(t.Context(), l.Ref())
				}
				if err != nil {
					t.Error(err)
				}
				if i%10 == 0 {
					if _, err := registry.Gather(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	workers.Wait()
	got := world{registry: registry}.values(t)
	maps.DeleteFunc(got, func(name string, _ float64) bool {
		return !strings.HasPrefix(name, "leasekit_hold_duration_seconds_count")
	})
	require.Len(t, got, 6)
	sum := 0.0
	for _, n := range got {
		sum += n
	}
	require.EqualValues(t, 1600, sum)
}
