package lease_test

import (
	"context"
	"fmt"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// The history says what became of a file, in order.
func ExampleInspector_History() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	l, _ := m.Acquire(ctx, lease.Request{
		Holder: "agent-7", Claims: lease.Paths("plan.md"), Labels: map[string]string{"reason": "draft"},
	})
	l, _ = m.Renew(ctx, l.Ref(), 0)
	l, _ = lease.Transfer(ctx, m, l, "agent-8")
	_ = m.Release(ctx, l.Ref())

	for e, err := range m.History(ctx, lease.Query{Path: "plan.md"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Lease.Holder, e.Kind, e.Lease.Labels["reason"])
	}
	// Output:
	// agent-7 granted draft
	// agent-7 renewed draft
	// agent-7 transferred draft
	// agent-8 granted draft
	// agent-8 released draft
}
