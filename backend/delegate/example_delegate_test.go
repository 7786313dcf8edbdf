package delegate_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/leasekit/leasekit/backend/delegate"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// A build holds src/, for all other processes. Its tasks share that out among
// themselves, without asking the store.
func Example() {
	m := memory.New(nil) // or that of a store that processes share
	defer m.Close()
	k := lease.NewKeeper(m, nil)
	defer k.Close()

	build := lease.Request{Holder: "build-1", Claims: lease.Trees("src")}
	err := k.Do(context.Background(), build, nil, func(ctx context.Context, held *lease.Held) error {
		d, err := delegate.New(ctx, m, held, nil)
		if err != nil {
			return err
		}
		defer d.Close()

		var mu sync.Mutex
		done := map[string]int{}
		var tasks sync.WaitGroup
		for i := range 100 {
			file := fmt.Sprintf("src/%d.go", i%2)
			tasks.Go(func() {
				r := lease.Request{Holder: fmt.Sprint("task-", i), Claims: lease.Paths(file), TTL: time.Second}
				err := lease.Do(ctx, d, r, func(context.Context, lease.Lease) error {
					mu.Lock()
					defer mu.Unlock()
					done[file]++
					return nil
				})
				if err != nil {
					fmt.Println(err)
				}
			})
		}
		tasks.Wait()
		fmt.Println(done)

		_, err = d.TryAcquire(ctx, lease.Request{Holder: "task", Claims: lease.Paths("README.md")})
		fmt.Println(err)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// map[src/0.go:50 src/1.go:50]
	// lease: invalid parent: README.md is not within its claims
}
