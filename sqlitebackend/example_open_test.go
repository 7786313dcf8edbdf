package sqlitebackend_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

// All processes that open the same file share its leases.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "leases-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "leases.db")

	m, err := sqlitebackend.Open(ctx, file, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	other, err := sqlitebackend.Open(ctx, file, nil) // as another process does
	if err != nil {
		fmt.Println(err)
		return
	}
	defer other.Close()

	l, err := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: lease.Paths("plan.md")})
	fmt.Println(l.Claims, err)
	_, err = other.TryAcquire(ctx, lease.Request{Holder: "agent-8", Claims: lease.Paths("plan.md")})
	fmt.Println("refused:", errors.Is(err, lease.ErrConflict))
	// Output:
	// [plan.md] <nil>
	// refused: true
}
