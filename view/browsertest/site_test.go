package browsertest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
	"github.com/leasekit/leasekit/sqlitebackend"
	"github.com/leasekit/leasekit/view"
)

// stores are those that the page is looked at over.
var stores = map[string]func(tb testing.TB) lease.Manager{
	"memory": func(testing.TB) lease.Manager { return memory.New(nil) },
	"sqlite": func(tb testing.TB) lease.Manager {
		m, err := sqlitebackend.Open(tb.Context(), filepath.Join(tb.TempDir(), "leases.db"), nil)
		require.NoError(tb, err)
		return m
	},
	"redis": func(tb testing.TB) lease.Manager {
		client := redis.NewClient(&redis.Options{Addr: redistest.Single(tb).Addr()})
		tb.Cleanup(func() { client.Close() })
		m, err := redisbackend.Open(tb.Context(), client, nil)
		require.NoError(tb, err)
		return m
	},
}

// inMemory is a store for what is the same over all of them.
func inMemory(t *testing.T) lease.Manager {
	m := memory.New(nil)
	t.Cleanup(func() { m.Close() })
	return m
}

func onAll(t *testing.T, f func(t *testing.T, m lease.Manager)) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			m := open(t)
			t.Cleanup(func() { m.Close() })
			f(t, m)
		})
	}
}

// site serves the page under a prefix, behind a middleware, with a policy of its
// own on top of the page's. It can be stopped and started again.
type site struct {
	t       testing.TB
	m       lease.Manager
	options view.Options
	address string
	url     string
	stop    func()
}

func serve(tb testing.TB, m lease.Manager, o view.Options) *site {
	tb.Helper()
	if o.Heartbeat == 0 {
		o.Heartbeat = time.Second
	}
	s := &site{t: tb, m: m, options: o, address: "127.0.0.1:0"}
	s.start()
	tb.Cleanup(func() { s.stop() })
	return s
}

func (s *site) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o := s.options
	o.Context = ctx
	mux := http.NewServeMux()
	mux.Handle("/team/leases/", http.StripPrefix("/team/leases", view.Handler(s.m, &o)))
	middleware := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Content-Security-Policy", "default-src 'self'")
		mux.ServeHTTP(w, r)
	})
	var listener net.Listener
	require.Eventually(s.t, func() (ok bool) { // after a restart the old port may not be free yet
		var err error
		listener, err = net.Listen("tcp", s.address)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	s.address = listener.Addr().String()
	s.url = fmt.Sprintf("http://%s/team/leases/", s.address)
	server := &http.Server{Handler: middleware, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener) //nolint:errcheck // it ends with Close
	s.stop = func() {
		cancel()
		server.Close()
	}
}

func anybody(*http.Request, view.Action) bool { return true }

func acquire(tb testing.TB, m lease.Manager, holder string, claims []lease.Claim) lease.Lease {
	tb.Helper()
	l, err := m.TryAcquire(tb.Context(), lease.Request{Holder: holder, Claims: claims, TTL: 10 * time.Minute, Labels: map[string]string{"task": "work of " + holder}})
	require.NoError(tb, err)
	return l
}

// waits puts a request in line that asks for it only once.
func waits(t *testing.T, m lease.Manager, holder string, claims []lease.Claim) lease.ID {
	t.Helper()
	id := lease.NewID()
	_, err := m.TryAcquire(t.Context(), lease.Request{ID: id, Holder: holder, Claims: claims, TTL: 10 * time.Minute, QueueTTL: 10 * time.Minute})
	require.ErrorIs(t, err, lease.ErrConflict)
	return id
}

// withoutDeadlockCheck lets deadlocks last.
func withoutDeadlockCheck(t *testing.T, m lease.Manager) {
	t.Helper()
	c, err := m.Config(t.Context())
	require.NoError(t, err)
	c.DeadlockCheck = false
	_, err = m.SetConfig(t.Context(), c)
	require.NoError(t, err)
}
