// Worklock is lock, work, unlock: eight workers count in one file, each reading
// the number, thinking, and writing it back one higher. Without a lease they
// would overwrite each other's counts; with lease.Do around the work none is
// lost.
//
//	go run ./examples/worklock
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

const (
	workers = 8
	turns   = 10 // of each worker
)

func main() {
	dir, err := os.MkdirTemp("", "leasekit-worklock-")
	if err == nil {
		err = errors.Join(run(context.Background(), dir), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string) error {
	// The workers here share one process. Other processes that open the same
	// file take part in the same way.
	m, err := sqlitebackend.Open(ctx, filepath.Join(dir, "leases.db"), nil)
	if err != nil {
		return err
	}
	defer m.Close()

	counter := filepath.Join(dir, "counter.txt")
	if err := os.WriteFile(counter, []byte("0"), 0o644); err != nil {
		return err
	}
	errs := make([]error, workers)
	var working sync.WaitGroup
	for i := range workers {
		working.Go(func() { errs[i] = work(ctx, m, dir, counter) })
	}
	working.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}

	count, err := read(counter)
	if err != nil {
		return err
	}
	if count != workers*turns {
		return fmt.Errorf("%d workers counted %d times each, and the file says %d", workers, turns, count)
	}
	if locked, err := lease.IsLocked(ctx, m, "counter.txt"); err != nil || locked {
		return errors.Join(fmt.Errorf("locked afterwards: %v", locked), err)
	}
	fmt.Printf("OK: %d workers counted %d times each, and the file says %d\n", workers, turns, count)
	return nil
}

// work is the life of one worker.
func work(ctx context.Context, m lease.Manager, dir, counter string) error {
	name, err := lease.FilePath(dir, counter) // "counter.txt", however the file was named
	if err != nil {
		return err
	}
	holder := lease.NewHolder("worker") // a name of its own: holders never exclude themselves
	var last int
	var waited time.Duration
	for range turns {
		r := lease.Request{Holder: holder, Claims: lease.Paths(name), TTL: 10 * time.Second}
		err := lease.Do(ctx, m, r, func(_ context.Context, l lease.Lease) error {
			count, err := read(counter)
			if err != nil {
				return err
			}
			time.Sleep(time.Millisecond) // thinking
			last, waited = count+1, waited+l.Waited
			return os.WriteFile(counter, []byte(strconv.Itoa(last)), 0o644)
		})
		if err != nil {
			return err
		}
	}
	fmt.Printf("%s is done; its last number was %2d, it waited %v in all\n", holder, last, waited)
	return nil
}

func read(counter string) (int, error) {
	text, err := os.ReadFile(counter)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}
