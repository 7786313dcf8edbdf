package etcdbackend

import (
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// freeAddress returns the URL of a port of the loopback interface that is free.
func freeAddress(t testing.TB) url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return url.URL{Scheme: "http", Host: l.Addr().String()}
}

// serverConfig returns what all servers of the tests have in common.
func serverConfig(t testing.TB, name string) *embed.Config {
	t.Helper()
	c := embed.NewConfig()
	c.Name, c.Dir = name, t.TempDir()
	c.ListenClientUrls = []url.URL{freeAddress(t)}
	c.ListenPeerUrls = []url.URL{freeAddress(t)}
	c.AdvertiseClientUrls, c.AdvertisePeerUrls = c.ListenClientUrls, c.ListenPeerUrls
	c.InitialCluster = fmt.Sprintf("%s=%s", name, c.ListenPeerUrls[0].String())
	if _, benchmark := t.(*testing.B); !benchmark {
		c.UnsafeNoFsync = true // no test loses power
	}
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	return c
}

// start starts a member and waits until it serves.
func start(t testing.TB, c *embed.Config) *embed.Etcd {
	t.Helper()
	e := begin(t, c)
	require.NotNil(t, e)
	return e
}

// begin does so in a goroutine of a test. It returns nil if that fails.
func begin(t testing.TB, c *embed.Config) *embed.Etcd {
	e, err := embed.StartEtcd(c)
	if err != nil {
		t.Error(err)
		return nil
	}
	select {
	case <-e.Server.ReadyNotify():
		return e
	case <-time.After(time.Minute):
		t.Error("the server does not become ready")
		e.Close()
		return nil
	}
}

// single starts a cluster of one member, and returns the URL of its clients.
func single(t testing.TB) string {
	t.Helper()
	e := start(t, serverConfig(t, "single"))
	t.Cleanup(e.Close)
	return e.Config().ListenClientUrls[0].Host
}

// connect returns a client of these members.
func connect(t testing.TB, hosts ...string) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: hosts, DialTimeout: dialTimeout, DialKeepAliveTime: time.Second, DialKeepAliveTimeout: time.Second, Logger: zap.NewNop(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}
