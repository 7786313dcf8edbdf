package lease_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// One Keeper renews any number of leases.
func ExampleKeeper() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()
	k := lease.NewKeeper(m, nil)
	defer k.Close()

	for _, path := range []string{"a", "b", "c"} {
		l, err := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths(path), TTL: time.Minute})
		if err != nil {
			fmt.Println(err)
			return
		}
		held, err := k.Keep(ctx, l, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(path, "is kept:", held.Err() == nil)
	}
	fmt.Println("released:", k.ReleaseAll(ctx))
	// Output:
	// a is kept: true
	// b is kept: true
	// c is kept: true
	// released: <nil>
}

// A worker that hangs should not hold on for ever: its lease is renewed only
// while it makes progress.
func ExampleHeld_Progress() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()
	k := lease.NewKeeper(m, nil)
	defer k.Close()

	r := lease.Request{Holder: "agent-7", Claims: lease.Paths("a"), TTL: 30 * time.Millisecond}
	terms := &lease.KeepOptions{Progress: 60 * time.Millisecond}
	err := k.Do(ctx, r, terms, func(ctx context.Context, h *lease.Held) error {
		for step := range 3 {
			fmt.Println("step", step)
			h.Progress()
		}
		<-ctx.Done() // and here it hangs
		return nil
	})
	fmt.Println("expired:", errors.Is(err, lease.ErrExpired))
	// Output:
	// step 0
	// step 1
	// step 2
	// expired: true
}

// A holder can learn that somebody waits, and finish early.
func ExampleHeld_Contended() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()
	k := lease.NewKeeper(m, nil)
	defer k.Close()

	other := make(chan error)
	r := lease.Request{Holder: "agent-7", Claims: lease.Paths("a"), TTL: 300 * time.Millisecond}
	err := k.Do(ctx, r, nil, func(_ context.Context, h *lease.Held) error {
		go func() {
			other <- lease.Do(ctx, m, lease.Request{Holder: "agent-8", Claims: lease.Paths("a")},
				func(context.Context, lease.Lease) error {
					fmt.Println("agent-8 has it")
					return nil
				})
		}()
		<-h.Contended()
		fmt.Println("waiting:", h.Lease().Contention.Waiters)
		return nil
	})
	fmt.Println(err)
	fmt.Println(<-other)
	// Unordered output:
	// waiting: 1
	// <nil>
	// agent-8 has it
	// <nil>
}
