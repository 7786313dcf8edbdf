package conformance_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// What a program does when its store fails is tested over a store that does so
// when it is told to.
func ExampleNewFaults() {
	ctx := context.Background()
	faults := conformance.NewFaults(memory.NewStore(), conformance.FaultOptions{})
	m := backend.New(faults, nil)
	defer m.Close()

	l, err := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("plan.md")})
	fmt.Println("granted:", err == nil)

	faults.Next(conformance.OpRenew, conformance.Fail)
	_, err = m.Renew(ctx, l.Ref(), 0)
	fmt.Println("renewal unavailable:", errors.Is(err, lease.ErrUnavailable))

	faults.Next(conformance.OpRelease, conformance.DropReply) // the engine asks again
	fmt.Println("released:", m.Release(ctx, l.Ref()), "in", faults.Calls(conformance.OpRelease), "calls")
	// Output:
	// granted: true
	// renewal unavailable: true
	// released: <nil> in 2 calls
}
