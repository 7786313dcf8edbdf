package lease_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// An operator ends what a crashed agent holds, without waiting for its TTL.
func ExampleAdmin_ForceRelease() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	l, _ := m.Acquire(ctx, lease.Request{Holder: "crashed", Claims: lease.Paths("a", "b")})
	_, _ = m.Acquire(ctx, lease.Request{Holder: "alive", Claims: lease.Paths("c")})

	ended, err := m.ForceRelease(ctx, lease.Query{Holder: "crashed"}, lease.Revocation{Actor: "operator", Reason: "killed"})
	for _, l := range ended {
		fmt.Println("ended:", l.Claims, "of", l.Holder)
	}
	fmt.Println(err)

	_, err = m.Renew(ctx, l.Ref(), 0) // should it be alive after all, it is told
	var lost *lease.LostError
	if errors.As(err, &lost) {
		fmt.Println(lost.Err, "by", lost.Actor, "-", lost.Reason)
	}
	// Output:
	// ended: [a b] of crashed
	// <nil>
	// revoked by operator - killed
}
