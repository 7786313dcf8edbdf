package etcdbackend

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// TestLargeSteps: a hundred leases with claims of 60 kB each are ended by one
// call, and by one sweep, in transactions that servers accept, even one that
// allows but 8 operations.
func TestLargeSteps(t *testing.T) {
	t.Parallel()
	c := serverConfig(t, "limited")
	c.MaxTxnOps = 8
	e := start(t, c)
	t.Cleanup(e.Close)
	m, err := New(t.Context(), connect(t, c.ListenClientUrls[0].Host), &Options{MaxSkew: OneClock})
	require.NoError(t, err)
	defer m.Close()
	var claims []lease.Claim
	for i := range 15 {
		claims = append(claims, lease.SharedPaths("big/"+strings.Repeat("x", 4000)+fmt.Sprint(i))...)
	}
	grant := func(ttl time.Duration) {
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				_, err := m.TryAcquire(t.Context(), lease.Request{Holder: fmt.Sprint("h", i), Claims: claims, TTL: ttl})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	grant(time.Hour)
	ended, err := m.ForceRelease(t.Context(), lease.Query{Under: "big"}, lease.Revocation{Actor: "test", Reason: "too many"})
	require.NoError(t, err)
	require.Len(t, ended, 100)
	grant(500 * time.Millisecond)
	<-time.After(time.Second)
	swept, err := m.Sweep(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, swept.Expired, 100)
	stats, err := m.Stats(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.Active)
	conformance.Check(t, m)
}

// TestRights: the package documentation's rights are enough, and TLS and
// passwords are the client's.
func TestRights(t *testing.T) {
	t.Parallel()
	c := serverConfig(t, "secure")
	c.ListenClientUrls[0].Scheme = "https"
	c.AdvertiseClientUrls = c.ListenClientUrls
	c.ClientAutoTLS, c.SelfSignedCertValidity, c.BcryptCost = true, 1, 4
	e := start(t, c)
	t.Cleanup(e.Close)
	secure := func(user string) *clientv3.Client {
		client, err := clientv3.New(clientv3.Config{
			Endpoints: []string{c.ListenClientUrls[0].String()}, Username: user, Password: user, DialTimeout: time.Minute,
			TLS: &tls.Config{InsecureSkipVerify: true}, Logger: zap.NewNop(),
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	admin := secure("")
	ctx := t.Context()
	for _, user := range []string{"root", "app"} {
		_, err := admin.UserAdd(ctx, user, user)
		require.NoError(t, err)
		_, err = admin.RoleAdd(ctx, user)
		require.NoError(t, err)
		_, err = admin.UserGrantRole(ctx, user, user)
		require.NoError(t, err)
	}
	prefix := newKeyspace("team").prefix
	_, err := admin.RoleGrantPermission(ctx, "app", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermReadWrite))
	require.NoError(t, err)
	_, err = admin.AuthEnable(ctx)
	require.NoError(t, err)

	client := secure("app")
	m, err := New(ctx, client, &Options{Namespace: "team"})
	require.NoError(t, err)
	defer m.Close()
	l, err := m.Acquire(ctx, request("a", "f"))
	require.NoError(t, err)
	_, err = m.Renew(ctx, l.Ref(), 0)
	require.NoError(t, err)
	require.NoError(t, m.Release(ctx, l.Ref()))
	_, err = m.Sweep(ctx)
	require.NoError(t, err)
	conformance.Check(t, m)

	_, err = New(ctx, client, &Options{Namespace: "other"})
	require.ErrorIs(t, err, lease.ErrUnavailable)
	require.ErrorContains(t, err, "permission denied")
}

// TestNamespaces: namespaces know nothing of each other, whatever their names.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	client := connect(t, single(t))
	for _, name := range []string{"a", "a/", "a/record/f", "A", "ä %2F", "a\n~"} {
		m, err := New(t.Context(), client, &Options{Namespace: name})
		require.NoError(t, err)
		defer m.Close()
		_, err = m.TryAcquire(t.Context(), request("x", "f"))
		require.NoError(t, err, "%q", name)
		stats, err := m.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, stats.Active)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Namespace: strings.Repeat("x", lease.MaxIDBytes+1)}, {Namespace: "\xff"}, {Namespace: "\x00"}, {MaxSkew: -2},
		{SessionTTL: time.Millisecond}, {MaxTxnBytes: 1},
	} {
		_, err := NewStore(t.Context(), newFake().client(), &o)
		require.ErrorIs(t, err, lease.ErrInvalid)
	}
}

func TestURLs(t *testing.T) {
	for address, want := range map[string]clientv3.Config{
		"etcd://h":                    {Endpoints: []string{"http://h"}},
		"etcd://h:1":                  {Endpoints: []string{"http://h:1"}},
		"etcd://u:p%40@h:1,i:2,j:3/n": {Endpoints: []string{"http://h:1", "http://i:2", "http://j:3"}, Username: "u", Password: "p@"},
		"etcds://h:1,i:2/":            {Endpoints: []string{"https://h:1", "https://i:2"}},
	} {
		got, namespace, err := parse(address)
		require.NoError(t, err, address)
		require.Equal(t, want.Endpoints, got.Endpoints)
		require.Equal(t, want.Username+want.Password, got.Username+got.Password)
		u, _ := url.Parse(address)
		require.Equal(t, strings.Trim(u.Path, "/"), namespace)
	}
	for _, address := range []string{"", "h:1", "http://h:1", "etcd://", "etcd://h?x=1", "etcd://h#x", "etcd://u:secret@h:x"} {
		_, err := OpenStore(t.Context(), address, nil)
		require.ErrorIs(t, err, lease.ErrInvalid, address)
		require.NotContains(t, err.Error(), "secret")
	}
}
