package lease_test

import (
	"context"
	"fmt"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// List shows who holds and who waits for what is at or below a path.
func ExampleInspector_List() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	_, _ = m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("src/main.go")})
	_, _ = m.Acquire(ctx, lease.Request{Holder: "agent-8", Claims: lease.Trees("src/net")})
	_, _ = m.Acquire(ctx, lease.Request{Holder: "agent-9", Claims: lease.Paths("docs/plan.md")})

	for l, err := range m.List(ctx, lease.Query{Under: "src"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(l.Holder, l.Status, l.Claims)
	}
	// Output:
	// agent-7 active [src/main.go]
	// agent-8 active [src/net/**]
}

// Who follows the state without a gap reads the head of the history, lists, and
// watches from there.
func ExampleInspector_Watch() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	stats, _ := m.Stats(ctx)
	go func() {
		l, _ := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("plan.md")})
		_ = m.Release(ctx, l.Ref())
	}()
	for e, err := range m.Watch(ctx, lease.Query{Path: "plan.md", After: stats.Head}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Lease.Holder, e.Kind, e.Lease.Claims)
		if e.Kind == lease.KindReleased {
			break // or go on for ever, until ctx ends
		}
	}
	// Output:
	// agent-7 granted [plan.md]
	// agent-7 released [plan.md]
}
