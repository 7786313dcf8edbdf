//go:build noetcd

package stores

import (
	"context"
	"fmt"
	"io"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

func openEtcd(context.Context, open.Target) (lease.Manager, io.Closer, error) {
	return nil, nil, fmt.Errorf("%w in this program: it was built with -tags noetcd", open.ErrScheme)
}
