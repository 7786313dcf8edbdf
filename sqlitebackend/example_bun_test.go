package sqlitebackend_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // an application imports its driver

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

// An application that has an SQLite database keeps its leases there. The pool
// stays its own.
func ExampleNew() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "leases-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	const settings = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	pool, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "application.db"))+settings)
	if err != nil {
		fmt.Println(err)
		return
	}
	db := bun.NewDB(pool, sqlitedialect.New())
	defer db.Close() // after the Manager

	m, err := sqlitebackend.New(ctx, db, &sqlitebackend.Options{Namespace: "jobs"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	l, err := m.Acquire(ctx, lease.Request{Holder: "worker-1", Claims: lease.Paths("invoices/2026-11")})
	fmt.Println(l.Claims, err)
	// Output:
	// [invoices/2026-11] <nil>
}
