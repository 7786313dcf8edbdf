package postgresbackend_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend"
)

// All processes that open the same database share its leases.
func ExampleOpen() {
	ctx := context.Background()
	url := os.Getenv("POSTGRES_URL") // postgres://user:password@host/database?sslmode=verify-full
	options := &postgresbackend.Options{Namespace: "plans"}

	m, err := postgresbackend.Open(ctx, url, options)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	other, err := postgresbackend.Open(ctx, url, options) // as another process does
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

// An application that has a PostgreSQL database keeps its leases there. The pool
// stays its own.
func ExampleNew() {
	ctx := context.Background()
	config, err := pgx.ParseConfig(os.Getenv("POSTGRES_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	db := bun.NewDB(stdlib.OpenDB(*config), pgdialect.New())
	defer db.Close() // after the Manager

	m, err := postgresbackend.New(ctx, db, &postgresbackend.Options{Namespace: "jobs"})
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
