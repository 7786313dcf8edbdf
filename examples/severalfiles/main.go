// Severalfiles is taking several files at once. One request asks for all of
// them and gets all or none, so that agents whose sets overlap, named in any
// order, never wait for each other in a circle. Who takes them one by one can
// run into such a circle, and is told at once.
//
//	go run ./examples/severalfiles
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

const (
	agents = 8
	turns  = 10 // of each agent
	taken  = 3  // files at once
)

func main() {
	dir, err := os.MkdirTemp("", "leasekit-severalfiles-")
	if err == nil {
		err = errors.Join(run(context.Background(), dir), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("OK: nobody waited for ever")
}

func run(ctx context.Context, dir string) error {
	m, err := sqlitebackend.Open(ctx, filepath.Join(dir, "leases.db"), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	return errors.Join(together(ctx, m), oneByOne(ctx, m))
}

// together: each agent edits three files at a time.
func together(ctx context.Context, m lease.Manager) error {
	files := []string{"a.go", "b.go", "c.go", "d.go", "e.go", "f.go"}
	edits := map[string]*int{} // the files' contents, guarded by their leases
	for _, name := range files {
		edits[name] = new(int)
	}
	errs := make([]error, agents)
	var editing sync.WaitGroup
	for i := range agents {
		editing.Go(func() {
			holder, names := lease.NewHolder("agent"), slices.Clone(files)
			for turn := 0; turn < turns && errs[i] == nil; turn++ {
				rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
				r := lease.Request{Holder: holder, Claims: lease.Paths(names[:taken]...), TTL: 10 * time.Second}
				errs[i] = lease.Do(ctx, m, r, func(context.Context, lease.Lease) error {
					for _, name := range names[:taken] {
						before := *edits[name]
						time.Sleep(time.Millisecond / 2) // the edit
						*edits[name] = before + 1
					}
					return nil
				})
			}
		})
	}
	editing.Wait()
	sum := 0
	for _, count := range edits {
		sum += *count
	}
	if err := errors.Join(errs...); err != nil || sum != agents*turns*taken {
		return errors.Join(fmt.Errorf("%d edits, not %d", sum, agents*turns*taken), err)
	}
	fmt.Printf("%d agents took %d files at once, %d times each: all %d edits are there\n", agents, taken, turns, sum)
	return nil
}

// oneByOne: two agents have one file each, and want the other's too. The one
// that would close the circle gets ErrDeadlock; it gives up what it has, and so
// the other one gets on.
func oneByOne(ctx context.Context, m lease.Manager) error {
	take := func(holder, name string) error {
		_, err := m.Acquire(ctx, lease.Request{Holder: holder, Claims: lease.Paths(name), TTL: time.Minute})
		return err
	}
	if err := errors.Join(take("ada", "left.go"), take("bob", "right.go")); err != nil {
		return err
	}
	ends := make(chan error, 2)
	second := func(holder, name string) {
		err := take(holder, name)
		_, releaseErr := lease.ReleaseAll(ctx, m, lease.Query{Holder: holder})
		ends <- errors.Join(err, releaseErr)
	}
	go second("ada", "right.go")
	go second("bob", "left.go")
	loser, winner := <-ends, <-ends
	if loser == nil {
		loser, winner = winner, loser
	}
	var conflict *lease.ConflictError
	if !errors.Is(loser, lease.ErrDeadlock) || !errors.As(loser, &conflict) || winner != nil {
		return fmt.Errorf("of two in a circle one should get on: %w", errors.Join(loser, winner))
	}
	fmt.Printf("%v took them one by one and met: %s gave way at once\n", conflict.Cycle, conflict.Holder)
	return nil
}
