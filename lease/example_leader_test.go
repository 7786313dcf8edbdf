package lease_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// Leader election: whoever holds the tree leads, and the next in line follows.
func ExampleDo_leader() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()

	var members sync.WaitGroup
	for range 3 {
		members.Go(func() {
			r := lease.Request{Holder: lease.NewHolder("member"), Claims: lease.Trees("cluster/jobs"), Timeout: lease.NoTimeout}
			err := lease.Do(ctx, m, r, func(ctx context.Context, l lease.Lease) error {
				leads, err := lease.HoldsLease(ctx, m, l.Holder, "cluster/jobs/nightly")
				fmt.Println("leads:", leads)
				return err // a real one leads until ctx ends, and stands again
			})
			if err != nil {
				fmt.Println(err)
			}
		})
	}
	members.Wait()
	// Output:
	// leads: true
	// leads: true
	// leads: true
}
