package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/metrics"
	"github.com/leasekit/leasekit/view"
)

// shutdownTime is how long requests that are under way may still take.
const shutdownTime = 5 * time.Second

// server serves one store.
type server struct {
	manager          lease.Manager
	metered          *metrics.Metrics
	token, title     string
	allow            map[view.Action]bool
	hosts            []string // by which it may be called without a token
	certificate, key string   // files; empty: without TLS
}

// run serves until ctx ends, then lets requests finish.
func (s *server) run(ctx context.Context, listener net.Listener) error {
	streams, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	handler, err := s.handler(streams)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	h := &http.Server{
		Handler: handler,
		// No limit for an answer as a whole: the stream has one for each message.
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 256 << 10,
	}
	served := make(chan error, 1)
	go func() {
		if s.certificate != "" {
			served <- h.ServeTLS(listener, s.certificate, s.key)
			return
		}
		served <- h.Serve(listener)
	}()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	end() // a stream would not finish by itself
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := h.Shutdown(closing); err != nil {
		return errors.Join(err, h.Close())
	}
	return nil
}

// handler is everything that is served. The end of ctx ends its streams.
func (s *server) handler(ctx context.Context) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{s.metered, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	inside := http.NewServeMux()
	inside.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	inside.Handle("/", view.Handler(s.manager, &view.Options{
		Title: s.title, Context: ctx, Actor: actor,
		Allow: func(_ *http.Request, a view.Action) bool { return s.allow[a] },
	}))
	outside := http.NewServeMux()
	outside.Handle("GET /healthz", &health{manager: s.manager})
	outside.Handle("/", s.guarded(inside))
	return outside, nil
}

// health says whether the store answers. Anybody may ask, so the store is not
// asked more than once a second.
type health struct {
	manager lease.Manager

	mu  sync.Mutex
	at  time.Time
	err error
}

func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if h.ask(r.Context()) != nil {
		// Why is in the page and the metrics, which strangers do not see.
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("the store does not answer\n")) // who asked may have left
		return
	}
	_, _ = w.Write([]byte("ok\n")) // likewise
}

func (h *health) ask(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.at.IsZero() && time.Since(h.at) < time.Second {
		return h.err
	}
	// One who leaves must not make others believe that the store is away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_, h.err = h.manager.Stats(ctx)
	h.at = time.Now()
	return h.err
}
