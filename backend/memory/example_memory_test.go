package memory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// A Manager in memory stands in for a real one in the tests of a program.
func ExampleNew() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	l, err := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("plan.md")})
	fmt.Println(l.Claims, err)
	// Output:
	// [plan.md] <nil>
}

// Two handles on one store play two processes.
func ExampleStore_Another() {
	ctx := context.Background()
	store := memory.NewStore()
	first, second := backend.New(store, nil), backend.New(store.Another(), nil)
	defer first.Close()
	defer second.Close()

	l, _ := first.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("plan.md")})
	_, err := second.TryAcquire(ctx, lease.Request{Holder: "agent-8", Claims: lease.Paths("plan.md")})
	fmt.Println("refused:", errors.Is(err, lease.ErrConflict))
	_ = first.Release(ctx, l.Ref())
	_, err = second.TryAcquire(ctx, lease.Request{Holder: "agent-8", Claims: lease.Paths("plan.md")})
	fmt.Println("granted:", err == nil)
	// Output:
	// refused: true
	// granted: true
}
