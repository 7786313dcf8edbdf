package postgresbackend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

func init() { roles["crowd"] = crowdForTest }

const crowdNamespace = "crowd"

func crowdForTest(url string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), url, &Options{Namespace: crowdNamespace})
	if err != nil {
		return err
	}
	return proctest.Crowd(m, orders)
}

// TestCrashingWaiter: the session of a process that has crashed is gone, so its waiters are passed.
func TestCrashingWaiter(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared().URL()
	m := open(t, url, &Options{Namespace: crowdNamespace})
	proctest.TestCrashes(t, m, func() {
		child := proctest.Start(t, "crowd", url)
		child.Expect("in line")
		child.Kill()
	})
	requireSound(t, url, crowdNamespace)
}

// queue is some handles each of which waits for the path "hot", in this order, while another one holds it. Places
// last for an hour.
type queue struct {
	t        *testing.T
	first    lease.Manager
	held     lease.Lease
	handles  []*Store
	managers []lease.Manager
	granted  chan int
	failed   chan error
}

func newQueue(t *testing.T, url string, o *Options, waiters int) *queue {
	q := &queue{t: t, first: open(t, url, o), granted: make(chan int, 8), failed: make(chan error, 8)}
	config, err := q.first.Config(t.Context())
	require.NoError(t, err)
	config.WaiterTTL = time.Hour
	_, err = q.first.SetConfig(t.Context(), config)
	require.NoError(t, err)
	q.held, err = q.first.Acquire(t.Context(), request("first", "hot"))
	require.NoError(t, err)
	for range waiters {
		s, err := OpenStore(t.Context(), url, o)
		require.NoError(t, err)
		q.add(s)
		require.Eventually(t, func() bool { return s.known(t) }, patience, time.Millisecond)
	}
	return q
}

// add has another handle wait.
func (q *queue) add(s *Store) {
	m := backend.New(s, nil)
	q.t.Cleanup(func() { require.NoError(q.t, m.Close()) })
	q.handles, q.managers = append(q.handles, s), append(q.managers, m)
	n := len(q.handles)
	go q.wait(m, n-1)
	require.Eventually(q.t, func() bool { return q.waiting() == n }, patience, time.Millisecond)
}

func (q *queue) wait(m lease.Manager, i int) {
	l, err := m.Acquire(context.Background(), request(fmt.Sprint("waiter-", i), "hot"))
	if err == nil {
		q.granted <- i
		err = m.Release(context.Background(), l.Ref())
	}
	if err != nil && !errors.Is(err, lease.ErrClosed) {
		q.failed <- err
	}
}

func (q *queue) waiting() int {
	stats, err := q.first.Stats(q.t.Context())
	require.NoError(q.t, err)
	return stats.Pending
}

// inOrder requires that all who wait are granted the path, one after the other, once it is given back.
func (q *queue) inOrder() {
	q.t.Helper()
	require.NoError(q.t, q.first.Release(q.t.Context(), q.held.Ref()))
	for i := range q.handles {
		select {
		case got := <-q.granted:
			require.Equal(q.t, i, got)
		case err := <-q.failed:
			q.t.Fatal(err)
		case <-time.After(patience):
			q.t.Fatal("nobody is granted the path")
		}
	}
}

// Who lives is not passed, whatever becomes of its session: another one takes its place. Nor is anybody when the
// server was restarted, and all sessions are gone.
func TestLivingWaiters(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, false)
	for name, trouble := range map[string]func(){
		"terminated": func() { server.Exec(terminateOthers) },
		"crashed":    func() { server.Crash(); server.Restart() },
		"stopped":    func() { server.Stop(); server.Restart() },
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, server.URL(), &Options{Namespace: name}, 3)
			for range 3 {
				trouble()
				<-time.After((goneLooks + 1) * lookEvery) // who is gone is passed by then
				require.Equal(t, 3, q.waiting())
			}
			for _, s := range q.handles {
				require.Eventually(t, func() bool { return s.known(t) }, patience, time.Millisecond)
			}
			q.inOrder()
		})
	}
}

// A handle that lives, but whose session the server does not have, is not known to others any more before they pass it.
func TestLostSession(t *testing.T) {
	t.Parallel()
	o := &Options{Namespace: "lost session"}
	q := newQueue(t, pgtest.Shared().URL(), o, 0)
	lost, err := OpenStore(t.Context(), pgtest.Shared().URL(), o)
	require.NoError(t, err)
	lost.listener.begin(func() {}) // it never listens
	q.add(lost)
	_, err = lost.db.DB.ExecContext(t.Context(), lost.sql.enterClient, lost.namespace, lost.client, true)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !lost.known(t) }, patience, time.Millisecond)
	<-time.After((goneLooks + 1) * lookEvery)
	require.Equal(t, 1, q.waiting())
}

// Of handles that have waited and are gone nothing stays once somebody waits.
func TestGoneClientsAreForgotten(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared().URL()
	o := &Options{Namespace: "forgotten"}
	gone, err := OpenStore(t.Context(), url, o)
	require.NoError(t, err)
	defer gone.Close()
	_, err = gone.db.DB.ExecContext(t.Context(), gone.sql.enterClient, gone.namespace, gone.client, true)
	require.NoError(t, err)
	q := newQueue(t, url, o, 1)
	require.Eventually(t, func() bool { return !gone.known(t) }, patience, time.Millisecond)
	q.inOrder()
	require.True(t, gone.knows(t, q.handles[0].client))
	require.NoError(t, q.managers[0].Close())
	require.False(t, gone.knows(t, q.handles[0].client))
}

// Whoever asks without waiting passes those who are gone, too.
func TestTryPassesWhoIsGone(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared().URL()
	q := newQueue(t, url, &Options{Namespace: "tries"}, 1)
	// Its session ends, and it does not notice.
	q.handles[0].listener.stop()
	q.handles[0].listener.end()
	q.handles[0].watch.end()
	require.NoError(t, q.first.Release(t.Context(), q.held.Ref()))
	require.Eventually(t, func() bool {
		_, err := q.first.TryAcquire(t.Context(), request("try", "hot"))
		return err == nil
	}, patience, 10*time.Millisecond)
}
