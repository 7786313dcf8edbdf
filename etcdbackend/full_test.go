package etcdbackend

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// TestFull: another application fills the cluster's database up to its quota.
// Whatever would change something fails, with the cause; looks go on. Once there
// is room again so does everything else, and nothing was lost.
func TestFull(t *testing.T) {
	t.Parallel()
	c := serverConfig(t, "full")
	c.QuotaBackendBytes = 8 << 20
	e := start(t, c)
	t.Cleanup(e.Close)
	client := connect(t, c.ListenClientUrls[0].Host)
	ctx := t.Context()
	m, err := New(ctx, client, nil)
	require.NoError(t, err)
	defer m.Close()
	held, err := m.TryAcquire(ctx, request("a", "f"))
	require.NoError(t, err)
	waiter := make(chan lease.Lease, 1)
	go func() {
		r := request("b", "f")
		r.Timeout = 2 * time.Minute
		l, err := m.Acquire(ctx, r)
		if err != nil {
			t.Error(err)
		}
		waiter <- l
	}()
	require.Eventually(t, func() bool {
		stats, err := m.Stats(ctx)
		return err == nil && stats.Pending == 1
	}, time.Minute, 10*time.Millisecond)

	large := strings.Repeat("x", 500_000)
	for i := 0; err == nil; i++ {
		_, err = client.Put(ctx, fmt.Sprint("another's/", i), large)
	}
	require.ErrorIs(t, err, rpctypes.ErrNoSpace)
	for range 3 {
		_, err = m.TryAcquire(ctx, request("c", "g"))
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.ErrorIs(t, err, rpctypes.ErrNoSpace)
	}
	_, err = m.Renew(ctx, held.Ref(), 0)
	require.ErrorIs(t, err, rpctypes.ErrNoSpace)
	require.ErrorIs(t, m.Release(ctx, held.Ref()), rpctypes.ErrNoSpace)
	_, err = New(ctx, client, &Options{Namespace: "new"})
	require.ErrorIs(t, err, rpctypes.ErrNoSpace)
	_, err = m.TryAcquire(ctx, request("c", "f"))
	require.ErrorIs(t, err, lease.ErrConflict, "a refusal writes nothing")
	stats, err := m.Stats(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, stats.Active)
	require.NoError(t, lease.Verify(ctx, m, held.Ref(), "f"))

	deleted, err := client.Delete(ctx, "another's/", clientv3.WithPrefix())
	require.NoError(t, err)
	_, err = client.Compact(ctx, deleted.Header.Revision, clientv3.WithCompactPhysical())
	require.NoError(t, err)
	_, err = client.Defragment(ctx, c.ListenClientUrls[0].String())
	require.NoError(t, err)
	_, err = client.AlarmDisarm(ctx, &clientv3.AlarmMember{})
	require.NoError(t, err)

	require.NoError(t, m.Release(ctx, held.Ref()))
	next := <-waiter
	require.Greater(t, next.Token, held.Token)
	free, err := m.TryAcquire(ctx, request("c", "g"))
	require.NoError(t, err, "what failed has left nothing")
	require.Greater(t, free.Token, next.Token)
	conformance.Check(t, m)
}
