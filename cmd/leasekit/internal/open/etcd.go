//go:build !noetcd

package open

import (
	"context"
	"io"

	"github.com/leasekit/leasekit/etcdbackend"
	"github.com/leasekit/leasekit/lease"
)

func init() {
	schemes["etcd"], schemes["etcds"] = openEtcd, openEtcd
}

func openEtcd(ctx context.Context, t target) (lease.Manager, io.Closer, error) {
	m, err := etcdbackend.Open(ctx, t.url, &etcdbackend.Options{Namespace: t.namespace, Engine: t.engine})
	return m, nil, err
}
