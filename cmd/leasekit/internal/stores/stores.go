// Package stores has the stores that the command opens besides SQLite files. What
// runs thousands of times does without: the clients of servers take longer to
// start than a hook takes to answer.
package stores

import (
	"context"
	"io"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend"
)

// All returns the opener for the scheme of a store's URL, nil if there is none.
func All(scheme string) open.Opener {
	switch scheme {
	case "redis", "rediss":
		return openRedis
	case "postgres", "postgresql":
		return openPostgres
	case "etcd", "etcds":
		return openEtcd
	}
	return nil
}

func openPostgres(ctx context.Context, t open.Target) (lease.Manager, io.Closer, error) {
	m, err := postgresbackend.Open(ctx, t.URL, &postgresbackend.Options{Namespace: t.Namespace, Engine: t.Engine})
	return m, nil, err
}
