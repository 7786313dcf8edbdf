package lease_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// Acquire waits in line until it is its turn, or until its time is up.
func ExampleAcquirer_Acquire() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	first, _ := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("plan.md")})

	r := lease.Request{Holder: "agent-8", Claims: lease.Paths("plan.md"), Timeout: 20 * time.Millisecond}
	_, err := m.Acquire(ctx, r)
	var conflict *lease.ConflictError
	if errors.As(err, &conflict) && errors.Is(err, lease.ErrTimeout) {
		b := conflict.Blockers[0]
		fmt.Println("gave up:", b.Held, "is held by", b.Holder)
	}

	time.AfterFunc(20*time.Millisecond, func() { _ = m.Release(ctx, first.Ref()) })
	r.Timeout = lease.NoTimeout // only ctx ends the wait
	second, err := m.Acquire(ctx, r)
	fmt.Println(second.Holder, "has", second.Claims, err)
	// Output:
	// gave up: plan.md is held by agent-7
	// agent-8 has [plan.md] <nil>
}
