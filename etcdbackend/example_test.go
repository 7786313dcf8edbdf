package etcdbackend_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/leasekit/leasekit/etcdbackend"
	"github.com/leasekit/leasekit/lease"
)

// All processes that open the same namespace share its leases.
func ExampleOpen() {
	ctx := context.Background()
	host, stop, err := serve() // an etcd that was there before
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()

	m, err := etcdbackend.Open(ctx, "etcd://"+host, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	other, err := etcdbackend.Open(ctx, "etcd://"+host, nil) // as another process does
	if err != nil {
		fmt.Println(err)
		return
	}
	defer other.Close()

	l, err := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("plan.md")})
	fmt.Println(l.Claims, err)
	_, err = other.TryAcquire(ctx, lease.Request{Holder: "agent-8", Claims: lease.Paths("plan.md")})
	fmt.Println("refused:", errors.Is(err, lease.ErrConflict))
	// Output:
	// [plan.md] <nil>
	// refused: true
}

// serve starts an etcd inside of this process.
func serve() (host string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "etcd-")
	if err != nil {
		return "", nil, err
	}
	c := embed.NewConfig()
	c.Dir = dir
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	anywhere := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.ListenClientUrls, c.ListenPeerUrls = anywhere, anywhere
	e, err := embed.StartEtcd(c)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	<-e.Server.ReadyNotify()
	return e.Clients[0].Addr().String(), func() {
		e.Close()
		_ = os.RemoveAll(dir)
	}, nil
}
