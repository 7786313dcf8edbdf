package browsertest

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/leasekit/leasekit/lease"
)

// outage is a store that can be out of reach.
type outage struct {
	lease.Manager
	down atomic.Bool
}

func (o *outage) set(down bool) { o.down.Store(down) }

func (o *outage) Stats(ctx context.Context) (lease.Stats, error) {
	if o.down.Load() {
		return lease.Stats{}, &lease.UnavailableError{Op: "stats", Err: io.ErrUnexpectedEOF}
	}
	return o.Manager.Stats(ctx)
}
