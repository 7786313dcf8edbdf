//go:build !noetcd

package stores

import (
	"context"
	"io"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/etcdbackend"
	"github.com/leasekit/leasekit/lease"
)

func openEtcd(ctx context.Context, t open.Target) (lease.Manager, io.Closer, error) {
	m, err := etcdbackend.Open(ctx, t.URL, &etcdbackend.Options{Namespace: t.Namespace, Engine: t.Engine})
	return m, nil, err
}
