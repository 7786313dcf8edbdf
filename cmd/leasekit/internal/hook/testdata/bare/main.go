// Command bare opens a store, acquires a lease and closes the store: what every
// hook has to do at least.
package main

import (
	"context"
	"log"
	"os"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

func main() {
	ctx := context.Background()
	m, err := sqlitebackend.Open(ctx, os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = m.TryAcquire(ctx, lease.Request{Holder: "bare", Claims: lease.Paths(string(lease.NewID()))})
	if err == nil {
		err = m.Close()
	}
	if err != nil {
		log.Fatal(err)
	}
}
