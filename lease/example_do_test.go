package lease_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// Do holds a lease for as long as a function runs.
func ExampleDo() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	r := lease.Request{Holder: "agent-7", Claims: lease.Paths("src/main.go"), TTL: time.Minute}
	err := lease.Do(ctx, m, r, func(ctx context.Context, l lease.Lease) error {
		locked, err := lease.IsLocked(ctx, m, "src/main.go")
		fmt.Println("locked while it works:", locked)
		return err
	})
	locked, _ := lease.IsLocked(ctx, m, "src/main.go")
	fmt.Println("afterwards:", locked, err)
	// Output:
	// locked while it works: true
	// afterwards: false <nil>
}

// The context of the function ends, with the reason, when the lease is lost.
func ExampleDo_lost() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	r := lease.Request{Holder: "agent-7", Claims: lease.Paths("src/main.go"), TTL: 50 * time.Millisecond}
	err := lease.Do(ctx, m, r, func(ctx context.Context, l lease.Lease) error {
		_, err := m.ForceRelease(ctx, lease.Query{Holder: "agent-7"}, lease.Revocation{Actor: "operator", Reason: "needed elsewhere"})
		if err != nil {
			return err
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	var lost *lease.LostError
	fmt.Println(errors.As(err, &lost), lost.Err, "by", lost.Actor, "-", lost.Reason)
	// Output:
	// true revoked by operator - needed elsewhere
}
