package lease_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// A reader becomes a writer without letting anybody in between.
func ExampleUpgrade() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	reading, _ := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.SharedPaths("plan.md")})
	writing, err := lease.Upgrade(ctx, m, reading)
	fmt.Println(writing.Claims, err)

	_, err = m.TryAcquire(ctx, lease.Request{Holder: "agent-8", Claims: lease.SharedPaths("plan.md")})
	fmt.Println("refused:", errors.Is(err, lease.ErrConflict))

	reading, err = lease.Downgrade(ctx, m, writing)
	fmt.Println(reading.Claims, err)
	// Output:
	// [plan.md] <nil>
	// refused: true
	// [plan.md (shared)] <nil>
}

// The lease of one agent goes on as that of another: nobody comes between.
func ExampleTransfer() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	l, _ := m.Acquire(ctx, lease.Request{Holder: "planner", Claims: lease.Trees("src")})
	given, err := lease.Transfer(ctx, m, l, "coder")
	fmt.Println(given.Holder, "has", given.Claims, err)
	fmt.Println("newer token:", given.Token > l.Token)
	fmt.Println("the planner's is over:", errors.Is(m.Release(ctx, l.Ref()), lease.ErrReplaced))
	// Output:
	// coder has [src/**] <nil>
	// newer token: true
	// the planner's is over: true
}

// Some of the paths are given back, the others are held on to.
func ExampleShrink() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	l, _ := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("a", "b", "c")})
	l, err := lease.Shrink(ctx, m, l, "b")
	fmt.Println(l.Claims, err)
	// Output:
	// [a c] <nil>
}
