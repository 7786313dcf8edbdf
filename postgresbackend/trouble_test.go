package postgresbackend

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

const patience = 20 * time.Second

func request(holder, path string) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: time.Minute}
}

func open(tb testing.TB, url string, o *Options) lease.Manager {
	tb.Helper()
	m, err := Open(tb.Context(), url, o)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, m.Close()) })
	return m
}

// worked takes and gives back paths until the context ends, and notes the tokens
// in the order in which one path had them.
type worked struct {
	mu     sync.Mutex
	tokens map[string][]lease.Token
	pairs  atomic.Int64
}

func (w *worked) work(ctx context.Context, m lease.Manager, holder, path string) error {
	for ctx.Err() == nil {
		l, err := m.Acquire(ctx, lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: 2 * time.Second, Timeout: lease.NoTimeout})
		switch {
		case errors.Is(err, lease.ErrUnavailable), errors.Is(err, lease.ErrConflict):
			continue
		case errors.Is(err, lease.ErrLost): // granted, without an answer, and over before it was asked again
			continue
		case err != nil && ctx.Err() == nil:
			return err
		case err != nil:
			continue // the context has ended
		}
		w.mu.Lock()
		w.tokens[path] = append(w.tokens[path], l.Token)
		w.mu.Unlock()
		if err := m.Release(context.WithoutCancel(ctx), l.Ref()); err != nil && !errors.Is(err, lease.ErrUnavailable) && !errors.Is(err, lease.ErrLost) {
			return err
		}
		w.pairs.Add(1)
	}
	return nil
}

// troubled works in two handles while trouble is made again and again, until
// enough was done in between. No token comes twice, or after a later one, and the
// history and the tables are sound at the end.
func troubled(t *testing.T, server *pgtest.Server, times int, trouble func()) {
	handles := []lease.Manager{open(t, server.URL(), nil), open(t, server.URL(), nil)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := &worked{tokens: map[string][]lease.Token{}}
	errs := make(chan error, 8)
	for i := range cap(errs) {
		go func() { errs <- w.work(ctx, handles[i%2], fmt.Sprint("h", i), fmt.Sprint("p", i/2%3)) }()
	}
	for range times {
		before := w.pairs.Load()
		require.Eventually(t, func() bool { return w.pairs.Load() > before+5 }, 2*patience, time.Millisecond)
		trouble()
	}
	stop()
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	for path, tokens := range w.tokens {
		for i := range tokens[1:] {
			require.Less(t, tokens[i], tokens[i+1], path)
		}
	}
	s, err := OpenStore(t.Context(), server.URL(), nil)
	require.NoError(t, err)
	m := backend.New(s, nil)
	defer m.Close()
	conformance.Check(t, m)
	requireSound(t, server.URL(), DefaultNamespace)
}

// The connections of all clients are ended, again and again.
func TestTerminated(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, false)
	troubled(t, server, 2*troubles, func() {
		server.Exec(terminateOthers)
	})
}

// A pool whose connections have all ended since they were last used costs no call
// its answer: nothing was committed on them.
func TestPoolOfEndedConnections(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, false)
	config, err := pgx.ParseConfig(server.URL())
	require.NoError(t, err)
	unchecked := stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false })
	pool := stdlib.OpenDB(*config, unchecked)
	pool.SetMaxIdleConns(20)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	m, err := New(t.Context(), bun.NewDB(pool, pgdialect.New()), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	end := func() {
		conns := make([]*sql.Conn, 20)
		for i := range conns {
			conns[i], err = pool.Conn(t.Context())
			require.NoError(t, err)
		}
		for _, conn := range conns {
			require.NoError(t, conn.Close()) // it is idle now
		}
		server.Exec(terminateOthers)
	}
	l, err := m.TryAcquire(t.Context(), request("a", "f"))
	require.NoError(t, err)
	end()
	_, err = m.Config(t.Context())
	require.NoError(t, err)
	end()
	require.NoError(t, m.Release(t.Context(), l.Ref()))
}

const terminateOthers = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`

// The server ends without saving anything, as by pg_ctl restart -m immediate and
// by kill -9, and recovers.
func TestServerCrashes(t *testing.T) {
	server := pgtest.Start(t, true)
	kills := 0
	troubled(t, server, troubles, func() {
		if kills++; kills%2 == 0 {
			server.Kill()
		} else {
			server.Crash()
		}
		server.Restart()
	})
}

// Another program holds the namespace's row: a call's context ends its wait, and
// the store gives up by itself in the end. Nothing of either is left.
func TestLockedRow(t *testing.T) {
	server := pgtest.Shared()
	const namespace = "locked"
	m := open(t, server.URL(), &Options{Namespace: namespace, Patience: 2 * time.Second})
	_, err := m.Config(t.Context())
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), `BEGIN; SELECT * FROM leasekit.lease_counters JOIN leasekit.lease_configs USING (namespace) WHERE name = 'locked' FOR UPDATE`)
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = m.TryAcquire(ctx, request("a", "f"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), time.Second)
	_, err = m.Stats(t.Context())
	require.NoError(t, err, "reads wait for nobody")
	_, err = m.TryAcquire(t.Context(), request("b", "g"))
	require.ErrorIs(t, err, lease.ErrUnavailable)

	_, err = conn.Exec(t.Context(), `ROLLBACK`)
	require.NoError(t, err)
	for _, path := range []string{"f", "g"} {
		_, err = m.Acquire(t.Context(), request("c", path))
		require.NoError(t, err)
	}
}
