package fencefile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/fencefile"
)

// The lease of agent-1 is over without its knowing, and agent-2 has written the
// file: the token keeps agent-1 from overwriting that.
func ExampleDir_WriteFile() {
	ctx := context.Background()
	m := memory.New(nil)
	defer m.Close()
	root, err := os.MkdirTemp("", "fencefile")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(root)
	files, err := fencefile.Open(root)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer files.Close()

	first, _ := m.Acquire(ctx, lease.Request{Holder: "agent-1", Claims: lease.Paths("notes")})
	_, _ = m.ForceRelease(ctx, lease.Query{Holder: "agent-1"}, lease.Revocation{Actor: "operator"})
	second, _ := m.Acquire(ctx, lease.Request{Holder: "agent-2", Claims: lease.Paths("notes")})

	fmt.Println(files.WriteFile(ctx, second.Ref(), "notes", []byte("by agent-2"), 0o644))
	err = files.WriteFile(ctx, first.Ref(), "notes", []byte("by agent-1"), 0o644)
	fmt.Println("stale:", errors.Is(err, fencefile.ErrStale))
	content, _ := os.ReadFile(filepath.Join(root, "notes"))
	fmt.Println(string(content))
	// Output:
	// <nil>
	// stale: true
	// by agent-2
}
