package etcdbackend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// bubble runs a test in virtual time on a fake cluster. open returns a handle.
func bubble(t *testing.T, test func(t *testing.T, f *fakeEtcd, open func(*Options) *Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		test(t, f, func(o *Options) *Store {
			s, err := NewStore(t.Context(), f.client(), o)
			require.NoError(t, err)
			return s
		})
	})
}

func manage(t testing.TB, s backend.Store) lease.Manager {
	m := backend.New(s, nil)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func request(holder, path string) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: time.Minute}
}

// losses plays what becomes of transactions, one after the other; later ones are
// not lost.
func (f *fakeEtcd) losses(some ...[2]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose = func() (sent, answered bool) {
		if len(some) == 0 {
			return true, true
		}
		next := some[0]
		some = some[1:]
		return next[0], next[1]
	}
}

var (
	lostRequest = [2]bool{false, false}
	lostReply   = [2]bool{true, false}
)

// TestLostTransactions: what has become of a transaction without an answer is
// found out, so the caller hears the truth and nothing is done twice.
func TestLostTransactions(t *testing.T) {
	for name, losses := range map[string][][2]bool{
		"the reply":              {lostReply},
		"the request":            {lostRequest},
		"the request, twice":     {lostRequest, lostRequest},
		"the reply, twice":       {lostReply, lostReply},
		"the request, the reply": {lostRequest, lostReply},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
				m := manage(t, open(nil))
				other := manage(t, open(nil))
				f.losses(losses...)
				l, err := m.TryAcquire(t.Context(), request("a", "f"))
				require.NoError(t, err)
				_, err = other.TryAcquire(t.Context(), request("b", "f"))
				require.ErrorIs(t, err, lease.ErrConflict)
				f.losses(losses...)
				require.NoError(t, m.Release(t.Context(), l.Ref()))
				_, err = other.TryAcquire(t.Context(), request("b", "f"))
				require.NoError(t, err)
				stats, err := other.Stats(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, 3, stats.Head, "granted, released, granted")
				conformance.Check(t, other)
			})
		})
	}
}

// TestOvertakenWithoutAnAnswer: another process commits between a lost
// transaction and the next try: the history of heads tells whether it was there.
func TestOvertakenWithoutAnAnswer(t *testing.T) {
	for name, lost := range map[string][2]bool{"reply": lostReply, "request": lostRequest} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
				m := manage(t, open(nil))
				other := manage(t, open(nil))
				var overtaken sync.WaitGroup
				first := true
				f.mu.Lock()
				f.lose = func() (bool, bool) {
					if !first {
						return true, true
					}
					first = false
					overtaken.Go(func() {
						_, err := other.TryAcquire(t.Context(), request("b", "g"))
						if err != nil {
							t.Error(err)
						}
					})
					return lost[0], lost[1]
				}
				f.mu.Unlock()
				_, err := m.TryAcquire(t.Context(), request("a", "f"))
				require.NoError(t, err)
				overtaken.Wait()
				stats, err := other.Stats(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, 2, stats.Head, "two grants")
				conformance.Check(t, other)
			})
		})
	}
}

// TestOutage: calls during an outage fail in bounded time with ErrUnavailable,
// and what they may have been granted is taken back when it is over.
func TestOutage(t *testing.T) {
	for name, lost := range map[string][2]bool{"replies": lostReply, "requests": lostRequest} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
				m := manage(t, open(nil))
				f.mu.Lock()
				f.lose = func() (bool, bool) { return lost[0], lost[1] }
				f.mu.Unlock()
				begin := time.Now()
				_, err := m.TryAcquire(t.Context(), request("a", "f"))
				require.LessOrEqual(t, time.Since(begin), commitBound+2*time.Second)
				if lost == lostRequest {
					require.ErrorIs(t, err, lease.ErrUnavailable)
				}
				f.losses()
				if err == nil { // the watch told that it was granted
					return
				}
				require.Eventually(t, func() bool {
					l, err := m.TryAcquire(t.Context(), request("b", "f"))
					return err == nil && l.Status == lease.Active
				}, 10*time.Second, 100*time.Millisecond)
				conformance.Check(t, m)
			})
		})
	}
}

// TestStorm: four processes, a fifth of all transactions without an answer, half
// of which were applied. No path has two holders, and the history is whole.
func TestStorm(t *testing.T) {
	bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
		var managers []lease.Manager
		for range 4 {
			managers = append(managers, manage(t, open(nil)))
		}
		random := rand.New(rand.NewPCG(1, 2))
		f.mu.Lock()
		f.lose = func() (sent, answered bool) { return random.IntN(10) > 0, random.IntN(10) > 0 }
		f.mu.Unlock()
		var holding [3]atomic.Int32
		var all sync.WaitGroup
		granted := 0
		var mu sync.Mutex
		for p, m := range managers {
			for w := range 4 {
				all.Go(func() {
					for i := range 25 {
						path := (p + w + i) % len(holding)
						l, err := m.Acquire(t.Context(), request(fmt.Sprintf("%d-%d", p, w), fmt.Sprint(path)))
						if err != nil {
							continue
						}
						mu.Lock()
						granted++
						mu.Unlock()
						if holding[path].Add(1) != 1 {
							t.Errorf("%d has two holders", path)
						}
						<-time.After(time.Millisecond)
						holding[path].Add(-1)
						if err := m.Release(t.Context(), l.Ref()); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		all.Wait()
		f.losses()
		require.Greater(t, granted, 300)
		conformance.Check(t, manage(t, open(nil)))
	})
}

// TestCompacted: a process whose watch was cut off, and the rest of it compacted,
// reads all anew and goes on.
func TestCompacted(t *testing.T) {
	bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
		m := manage(t, open(nil))
		other := manage(t, open(nil))
		l, err := m.TryAcquire(t.Context(), request("a", "f"))
		require.NoError(t, err)
		waiting := make(chan error, 1)
		go func() {
			_, err := other.Acquire(t.Context(), request("b", "f"))
			waiting <- err
		}()
		synctest.Wait()
		f.cut()
		require.NoError(t, m.Release(t.Context(), l.Ref()))
		f.compact()
		require.NoError(t, <-waiting)
		_, err = m.TryAcquire(t.Context(), request("c", "f"))
		require.ErrorIs(t, err, lease.ErrConflict)
		conformance.Check(t, other)
	})
}

// TestOpenUnderLoad: what others commit between the reads of a snapshot is
// neither missed nor seen half.
func TestOpenUnderLoad(t *testing.T) {
	bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
		m := manage(t, open(nil))
		reading := false
		var held lease.Lease
		f.mu.Lock()
		f.read = func() {
			f.mu.Lock()
			again := reading
			reading = true
			f.mu.Unlock()
			if again {
				return
			}
			var err error
			if held.ID != "" {
				err = m.Release(t.Context(), held.Ref())
			}
			if err == nil {
				held, err = m.TryAcquire(t.Context(), request("b", "f"))
			}
			if err != nil {
				t.Error(err)
			}
			f.mu.Lock()
			reading = false
			f.mu.Unlock()
		}
		f.mu.Unlock()
		s := open(nil)
		f.mu.Lock()
		f.read = nil
		f.mu.Unlock()
		other := manage(t, s)
		_, err := m.TryAcquire(t.Context(), request("a", "g"))
		require.NoError(t, err)
		_, err = other.TryAcquire(t.Context(), request("c", "f"))
		require.ErrorIs(t, err, lease.ErrConflict)
		synctest.Wait()
		mine, err := m.Stats(t.Context())
		require.NoError(t, err)
		others, err := other.Stats(t.Context())
		require.NoError(t, err)
		mine.Refused = others.Refused // what one process has not written yet
		require.Equal(t, mine, others)
		conformance.Check(t, other)
	})
}

// TestRestoredBackup: who has seen newer tokens grants nothing more.
func TestRestoredBackup(t *testing.T) {
	bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
		m := manage(t, open(nil))
		f.mu.Lock()
		backup := f.copy()
		f.mu.Unlock()
		_, err := m.TryAcquire(t.Context(), request("a", "f"))
		require.NoError(t, err)
		f.restore(backup)
		_, err = m.TryAcquire(t.Context(), request("b", "f"))
		require.ErrorIs(t, err, lease.ErrRegressed)
		_, err = m.Stats(t.Context())
		require.ErrorIs(t, err, lease.ErrRegressed)
	})
}

// TestNamespaceDeleted: so when somebody has deleted the keys.
func TestNamespaceDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
		m := manage(t, open(nil))
		_, err := m.TryAcquire(t.Context(), request("a", "f"))
		require.NoError(t, err)
		_, err = f.client().Delete(t.Context(), "leasekit/default/head")
		require.NoError(t, err)
		_, err = m.TryAcquire(t.Context(), request("b", "f"))
		require.ErrorIs(t, err, lease.ErrRegressed)
	})
}

// TestOtherLayout: what another version has stored is left alone.
func TestOtherLayout(t *testing.T) {
	bubble(t, func(t *testing.T, f *fakeEtcd, _ func(*Options) *Store) {
		_, err := f.client().Put(t.Context(), "leasekit/default/head", `{"layout":99}`)
		require.NoError(t, err)
		_, err = NewStore(t.Context(), f.client(), nil)
		require.ErrorIs(t, err, ErrNewerLayout)
	})
}

// TestEndOfASession: the waiters of a process whose etcd lease has ended are
// passed at once, and those of one that was closed.
func TestEndOfASession(t *testing.T) {
	for name, end := range map[string]func(f *fakeEtcd, s *Store){
		"expired": func(f *fakeEtcd, s *Store) {
			s.session.mutex.Lock()
			id := s.session.lease
			s.session.mutex.Unlock()
			f.mu.Lock()
			f.expire(id)
			f.mu.Unlock()
		},
		"closed": func(_ *fakeEtcd, s *Store) { _ = s.leave(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
				m := manage(t, open(nil))
				dead := open(nil)
				defer dead.Close()
				l, err := m.TryAcquire(t.Context(), request("a", "f"))
				require.NoError(t, err)
				config, err := dead.Config(t.Context())
				require.NoError(t, err)
				r := request("dead", "f")
				r.ID, r.MaxRenewals = lease.NewID(), lease.Unlimited
				reply, err := dead.Acquire(t.Context(), backend.AcquireArgs{
					Request: r, Attempt: "attempt", PlaceTTL: time.Hour, ConfigVersion: config.Config.Version,
				})
				require.NoError(t, err)
				require.Equal(t, backend.Queued, reply.Outcome)
				waiting := make(chan error, 1)
				go func() {
					_, err := m.Acquire(t.Context(), request("b", "f"))
					waiting <- err
				}()
				synctest.Wait()
				end(f, dead)
				synctest.Wait()
				begin := time.Now()
				require.NoError(t, m.Release(t.Context(), l.Ref()))
				require.NoError(t, <-waiting)
				require.Less(t, time.Since(begin), time.Second)
			})
		})
	}
}
