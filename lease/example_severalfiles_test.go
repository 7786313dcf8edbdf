package lease_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// Several files in one request are granted all together or not at all: nobody
// holds one of them while it waits for the others.
func ExamplePaths() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	busy, _ := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("b")})

	all := lease.Request{Holder: "agent-8", Claims: lease.Paths("a", "b", "c")}
	_, err := m.TryAcquire(ctx, all)
	locked, _ := lease.IsLocked(ctx, m, "a")
	fmt.Println("refused:", errors.Is(err, lease.ErrConflict), "- a is locked:", locked)

	_ = m.Release(ctx, busy.Ref())
	l, err := m.TryAcquire(ctx, all)
	fmt.Println(l.Claims, err)
	// Output:
	// refused: true - a is locked: false
	// [a b c] <nil>
}
