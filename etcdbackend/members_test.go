package etcdbackend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// cluster is one of three members.
type cluster struct {
	configs []*embed.Config
	members []*embed.Etcd
}

func three(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{members: make([]*embed.Etcd, 3)}
	var initial []string
	for i := range c.members {
		config := serverConfig(t, fmt.Sprint("member", i))
		initial = append(initial, config.InitialCluster)
		c.configs = append(c.configs, config)
	}
	var starting sync.WaitGroup
	for i, config := range c.configs {
		config.InitialCluster = strings.Join(initial, ",")
		starting.Go(func() { c.members[i] = begin(t, config) })
	}
	starting.Wait()
	t.Cleanup(func() {
		for _, m := range c.members {
			if m != nil {
				m.Close()
			}
		}
	})
	require.NotContains(t, c.members, (*embed.Etcd)(nil))
	return c
}

// hosts are where the members serve clients.
func (c *cluster) hosts() []string {
	var hosts []string
	for _, config := range c.configs {
		hosts = append(hosts, config.ListenClientUrls[0].Host)
	}
	return hosts
}

// leader is the number of the member that leads.
func (c *cluster) leader() int {
	return slices.IndexFunc(c.members, func(m *embed.Etcd) bool { return m.Server.Leader() == m.Server.MemberID() })
}

// proxy stands between clients and one member.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	stalled  chan struct{} // closed when nothing moves any more; connections stay open
	conns    []net.Conn
}

func newProxy(t testing.TB, host string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, stalled: make(chan struct{})}
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", host)
			if err != nil {
				client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			pumps.Go(func() { p.pump(client, server) })
			pumps.Go(func() { p.pump(server, client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		pumps.Wait()
	})
	return p
}

func (p *proxy) pump(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			to.Close()
			return
		}
		select {
		case <-p.stalled:
			_, _ = io.Copy(io.Discard, from)
			return
		default:
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// TestPartition: 100 holders whose process is cut off from all members, in the
// middle of anything: each has lost its context before another is granted its
// path.
func TestPartition(t *testing.T) {
	t.Parallel()
	const holders = 100
	c := three(t)
	var behind []string
	var proxies []*proxy
	for _, host := range c.hosts() {
		p := newProxy(t, host)
		proxies, behind = append(proxies, p), append(behind, p.listener.Addr().String())
	}
	o := &Options{MaxSkew: 200 * time.Millisecond}
	cut, err := New(t.Context(), connect(t, behind...), o)
	require.NoError(t, err)
	defer cut.Close()
	other, err := New(t.Context(), connect(t, c.hosts()...), o)
	require.NoError(t, err)
	defer other.Close()

	keeper := lease.NewKeeper(cut, nil)
	defer keeper.Close()
	var lost, granted [holders]time.Time
	var held, all sync.WaitGroup
	held.Add(holders)
	for i := range holders {
		all.Go(func() {
			l, err := cut.Acquire(t.Context(), lease.Request{
				Holder: fmt.Sprint("cut off ", i), Claims: lease.Paths(fmt.Sprint("file", i)), TTL: partitionTTL,
			})
			if err == nil {
				var kept *lease.Held
				if kept, err = keeper.Keep(t.Context(), l, nil); err == nil {
					held.Done()
					<-kept.Context().Done()
					lost[i] = time.Now()
					return
				}
			}
			t.Error(err)
			held.Done()
		})
	}
	held.Wait()
	<-time.After(time.Duration(rand.IntN(1000)) * time.Millisecond)
	for _, p := range proxies {
		close(p.stalled)
	}
	for i := range holders {
		all.Go(func() {
			_, err := other.Acquire(t.Context(), lease.Request{
				Holder: fmt.Sprint("next ", i), Claims: lease.Paths(fmt.Sprint("file", i)), TTL: time.Minute, Timeout: time.Minute,
			})
			granted[i] = time.Now()
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	first := 0
	least := time.Hour
	for i := range holders {
		if lost[i].Before(granted[i]) {
			first++
		}
		least = min(least, granted[i].Sub(lost[i]))
	}
	require.Equal(t, holders, first, "holders that had lost their context before another was granted the path")
	t.Logf("the context had ended %v before the next grant, at least", least)
	conformance.Check(t, other)
}

// TestMembersDie: under load the leader dies, again and again, and comes back.
// Nothing is granted twice, and calls go on.
func TestMembersDie(t *testing.T) {
	t.Parallel()
	c := three(t)
	const processes, workers, paths = 3, 4, 4
	ctx, stop := context.WithCancel(t.Context())
	var holding [paths]atomic.Int32
	var grants atomic.Int64
	var all sync.WaitGroup
	for p := range processes {
		m, err := New(t.Context(), connect(t, c.hosts()...), nil)
		require.NoError(t, err)
		defer m.Close()
		for w := range workers {
			all.Go(func() {
				for ctx.Err() == nil {
					work(ctx, t, m, fmt.Sprint(p, "-", w), rand.IntN(paths), holding[:], &grants)
				}
			})
		}
	}
	for range 3 {
		before := grants.Load()
		require.Eventually(t, func() bool { return grants.Load() > before+50 }, time.Minute, 10*time.Millisecond)
		die := c.leader()
		require.GreaterOrEqual(t, die, 0)
		c.members[die].Close()
		before = grants.Load()
		require.Eventually(t, func() bool { return grants.Load() > before+50 }, time.Minute, 10*time.Millisecond, "two members serve")
		config := c.configs[die]
		config.ClusterState = embed.ClusterStateFlagExisting
		c.members[die] = start(t, config)
	}
	stop()
	all.Wait()
	m, err := New(t.Context(), connect(t, c.hosts()...), nil)
	require.NoError(t, err)
	defer m.Close()
	conformance.Check(t, m)
	t.Logf("%d grants", grants.Load())
}

// work holds a path for a moment.
func work(ctx context.Context, t *testing.T, m lease.Manager, holder string, path int, holding []atomic.Int32, grants *atomic.Int64) {
	l, err := m.Acquire(ctx, lease.Request{Holder: holder, Claims: lease.Paths(fmt.Sprint(path)), TTL: 30 * time.Second})
	switch {
	case err == nil:
	case errors.Is(err, lease.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, lease.ErrTimeout):
		return
	default:
		t.Error(err)
		return
	}
	if holding[path].Add(1) != 1 {
		t.Errorf("%d has two holders", path)
	}
	grants.Add(1)
	holding[path].Add(-1)
	if err := m.Release(t.Context(), l.Ref()); err != nil && !errors.Is(err, lease.ErrUnavailable) {
		t.Error(err)
	}
}

// TestCompaction: the server forgets all old revisions under load, again and
// again.
func TestCompaction(t *testing.T) {
	t.Parallel()
	host := single(t)
	client := connect(t, host)
	ctx, stop := context.WithCancel(t.Context())
	var holding [2]atomic.Int32
	var grants atomic.Int64
	var all sync.WaitGroup
	for p := range 3 {
		m, err := New(t.Context(), connect(t, host), nil)
		require.NoError(t, err)
		defer m.Close()
		for w := range 2 {
			all.Go(func() {
				for ctx.Err() == nil {
					work(ctx, t, m, fmt.Sprint(p, "-", w), rand.IntN(len(holding)), holding[:], &grants)
				}
			})
		}
	}
	for range 20 {
		before := grants.Load()
		require.Eventually(t, func() bool { return grants.Load() > before+10 }, time.Minute, time.Millisecond)
		head, err := client.Get(t.Context(), "leasekit/default/head")
		require.NoError(t, err)
		_, err = client.Compact(t.Context(), head.Header.Revision, clientv3.WithCompactPhysical())
		require.NoError(t, err)
	}
	stop()
	all.Wait()
	m, err := New(t.Context(), client, nil)
	require.NoError(t, err)
	defer m.Close()
	conformance.Check(t, m)
}
