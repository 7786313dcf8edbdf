package backend_test

import (
	"context"
	"fmt"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// An Observer is told what an engine does, for logs and metrics: any of its
// functions may be left out.
func ExampleObserver() {
	ctx := context.Background()
	observer := &backend.Observer{
		Granted: func(_ context.Context, l lease.Lease, _ time.Duration) {
			fmt.Println("granted", l.Claims, "to", l.Holder)
		},
		Refused: func(_ context.Context, r lease.Request, _ time.Duration, err error) {
			fmt.Println("refused", r.Claims, "to", r.Holder, "because of a", backend.ErrorLabel(err))
		},
		Released: func(_ context.Context, ref lease.Ref, _ time.Duration) {
			fmt.Println("released by", ref.Holder)
		},
	}
	m := memory.New(&memory.Options{Engine: &backend.Options{Observer: observer}})
	defer m.Close()

	l, _ := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("plan.md")})
	_, _ = m.TryAcquire(ctx, lease.Request{Holder: "agent-8", Claims: lease.Paths("plan.md")})
	_ = m.Release(ctx, l.Ref())
	// Output:
	// granted [plan.md] to agent-7
	// refused [plan.md] to agent-8 because of a conflict
	// released by agent-7
}
