// Quickstart: eight agents, each a process of its own, edit one tree of files
// under leases kept in one SQLite file. Two of them are killed while they hold
// leases. At the end it checks by itself that no edit was lost, and exits with
// status 1 if anything is wrong.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"path/filepath"

	"github.com/leasekit/leasekit/examples/internal/agents"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

func main() {
	agents.Main(
		func(ctx context.Context, file string) (lease.Manager, error) {
			return sqlitebackend.Open(ctx, file, nil)
		},
		func(_ context.Context, dir string) (string, func() error, error) {
			leave := func() error { return nil } // the file goes with its directory
			return filepath.Join(dir, "leases.db"), leave, nil
		},
	)
}
