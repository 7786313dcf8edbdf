package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/metrics"
)

// loadProgram, in the environment, makes the test binary the program that
// Prometheus scrapes.
const loadProgram = "LEASEKIT_METRICS_LOAD"

func TestMain(m *testing.M) {
	if os.Getenv(loadProgram) != "" {
		if err := load(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// load does everything that has a metric, over and over, serves /metrics on an
// address that it prints, and ends with its standard input.
func load() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	metered := metrics.New(&metrics.Options{Group: metrics.FirstSegment})
	m := backend.New(&flaky{Store: memory.NewStore()}, &backend.Options{Observer: metered.Observer()})
	metered.Follow(m)
	registry := prometheus.NewRegistry()
	registry.MustRegister(metered)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(listener, promhttp.HandlerFor(registry, promhttp.HandlerOpts{})) }()
	if err := configure(ctx, m); err != nil {
		return err
	}
	keeper := lease.NewKeeper(m, &lease.KeeperOptions{Observer: metered.KeeperObserver()})
	for _, work := range []func(){
		func() { pass(ctx, m, "src/a", "w1") }, func() { pass(ctx, m, "src/a", "w2") }, func() { pass(ctx, m, "docs", "w3") },
		func() { cross(ctx, m) }, func() { dawdle(ctx, m) }, func() { keep(ctx, keeper, m) },
	} {
		go func() {
			for ctx.Err() == nil {
				work()
			}
		}()
	}
	go func() { // a waiter that stays
		_, _ = m.Acquire(ctx, lease.Request{Holder: "h1", Claims: lease.Paths("stuck"), TTL: time.Hour})
		_, _ = m.Acquire(ctx, lease.Request{Holder: "h2", Claims: lease.Paths("stuck"), Timeout: lease.NoTimeout})
	}()
	fmt.Println(listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// flaky is a store of which every twentieth acquisition and renewal fails.
type flaky struct {
	backend.Store
	calls atomic.Int64
}

var errFlaky = errors.New("connection reset by peer")

func (f *flaky) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	if f.calls.Add(1)%20 == 0 {
		return backend.AcquireReply{}, errFlaky
	}
	return f.Store.Acquire(ctx, a)
}

func (f *flaky) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	if f.calls.Add(1)%20 == 0 {
		return backend.RenewReply{}, errFlaky
	}
	return f.Store.Renew(ctx, a)
}

func configure(ctx context.Context, m lease.Admin) error {
	c, err := m.Config(ctx)
	if err == nil {
		c.SweepInterval, c.EndedMax, c.HistoryMaxEvents = 500*time.Millisecond, 100, 1000
		_, err = m.SetConfig(ctx, c)
	}
	return err
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// pass takes a path that others want, for a moment, if it is not a long wait.
func pass(ctx context.Context, m lease.Manager, path, holder string) {
	r := lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: time.Second, Timeout: 40 * time.Millisecond}
	_, _ = m.TryAcquire(ctx, r)
	l, err := m.Acquire(ctx, r)
	if err == nil {
		pause(ctx, 30*time.Millisecond)
		err = m.Release(ctx, l.Ref())
	}
	if err != nil {
		pause(ctx, 10*time.Millisecond)
	}
}

// cross makes a deadlock.
func cross(ctx context.Context, m lease.Manager) {
	r := lease.Request{Holder: "c1", Claims: lease.Paths("left"), TTL: time.Second, Timeout: 300 * time.Millisecond}
	s := lease.Request{Holder: "c2", Claims: lease.Paths("right"), TTL: time.Second, Timeout: 300 * time.Millisecond}
	left, _ := m.Acquire(ctx, r)
	right, _ := m.Acquire(ctx, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		crossed := r
		crossed.Claims = s.Claims
		_, _ = m.Acquire(ctx, crossed)
	}()
	pause(ctx, 20*time.Millisecond)
	s.Claims = r.Claims
	_, _ = m.Acquire(ctx, s)
	<-done
	for _, l := range []lease.Lease{left, right} {
		if l.ID != "" {
			_, _ = m.ForceRelease(ctx, lease.Query{ID: l.ID}, lease.Revocation{Actor: "load"})
		}
	}
	_, _ = m.ForceRelease(ctx, lease.Query{Holder: "c1"}, lease.Revocation{Actor: "load"})
	_, _ = m.ForceRelease(ctx, lease.Query{Holder: "c2"}, lease.Revocation{Actor: "load"})
}

// dawdle renews late, and releases what is over.
func dawdle(ctx context.Context, m lease.Manager) {
	l, err := m.TryAcquire(ctx, lease.Request{Holder: "d", Claims: lease.Paths("late"), TTL: 300 * time.Millisecond})
	if err != nil {
		return
	}
	pause(ctx, 230*time.Millisecond)
	_, _ = m.Renew(ctx, l.Ref(), 0)
	pause(ctx, 400*time.Millisecond)
	_ = m.Release(ctx, l.Ref())
}

// keep loses a lease that makes no progress, and releases another.
func keep(ctx context.Context, k *lease.Keeper, m lease.Manager) {
	defer pause(ctx, 10*time.Millisecond)
	good, err := m.TryAcquire(ctx, lease.Request{Holder: lease.NewHolder("k"), Claims: lease.Paths("kept/good"), TTL: 400 * time.Millisecond})
	if err != nil {
		return
	}
	kept, err := k.Keep(ctx, good, nil)
	if err != nil {
		return
	}
	defer func() { _ = kept.Release(ctx) }()
	bad, err := m.TryAcquire(ctx, lease.Request{Holder: "k", Claims: lease.Paths("kept/bad"), TTL: 400 * time.Millisecond})
	if err != nil {
		return
	}
	if stalled, err := k.Keep(ctx, bad, &lease.KeepOptions{Progress: 50 * time.Millisecond}); err == nil {
		<-stalled.Context().Done()
	}
}
