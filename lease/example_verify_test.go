package lease_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// A service that is handed a Ref checks it before it acts.
func ExampleVerify() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	l, _ := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Trees("src")})
	fmt.Println(lease.Verify(ctx, m, l.Ref(), "src/main.go"))
	fmt.Println(errors.Is(lease.Verify(ctx, m, l.Ref(), "docs"), lease.ErrNotHolder))
	_ = m.Release(ctx, l.Ref())
	fmt.Println(errors.Is(lease.Verify(ctx, m, l.Ref(), "src/main.go"), lease.ErrReleased))
	// Output:
	// <nil>
	// true
	// true
}

// At the end of a session everything its holder has is released.
func ExampleReleaseAll() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	for _, path := range []string{"a", "b"} {
		_, _ = m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths(path)})
	}
	fmt.Println(lease.ReleaseAll(ctx, m, lease.Query{Holder: "agent-7"}))
	// Output:
	// 2 <nil>
}
