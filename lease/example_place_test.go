package lease_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// Who cannot wait, a request handler say, keeps its place in line between its
// calls: it asks again with the same ID.
func ExampleAcquirer_TryAcquire_place() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	held, _ := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("plan.md")})

	r := lease.Request{ID: lease.NewID(), Holder: "agent-8", Claims: lease.Paths("plan.md"), QueueTTL: time.Minute}
	_, err := m.TryAcquire(ctx, r)
	var conflict *lease.ConflictError
	if errors.As(err, &conflict) {
		fmt.Println("place in line:", conflict.Position)
	}
	_ = m.Release(ctx, held.Ref())

	_, err = m.TryAcquire(ctx, lease.Request{Holder: "agent-9", Claims: lease.Paths("plan.md")})
	fmt.Println("the place is kept:", errors.Is(err, lease.ErrConflict))

	l, err := m.TryAcquire(ctx, r) // the next call of agent-8
	fmt.Println(l.Holder, "has", l.Claims, err)
	// Output:
	// place in line: 1
	// the place is kept: true
	// agent-8 has [plan.md] <nil>
}
