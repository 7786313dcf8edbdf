// Waiting is what happens while somebody else holds the file: being told who is
// in the way, standing in line, giving up after a while, and keeping a place in
// line without waiting, as a program that answers requests must.
//
//	go run ./examples/waiting
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

func main() {
	dir, err := os.MkdirTemp("", "leasekit-waiting-")
	if err == nil {
		err = errors.Join(run(context.Background(), dir), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("OK: served in the order of arrival, and who left was not waited for")
}

func run(ctx context.Context, dir string) error {
	m, err := sqlitebackend.Open(ctx, filepath.Join(dir, "leases.db"), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	editor, err := m.TryAcquire(ctx, lease.Request{Holder: "editor", Claims: lease.Trees("docs"), TTL: time.Minute})
	if err != nil {
		return err
	}
	fmt.Println("editor holds", editor.Claims)

	// Acquire waits in line, here for as long as its context lasts.
	printed := make(chan error, 1)
	go func() {
		printed <- lease.Do(ctx, m, request("printer", lease.NoTimeout), func(_ context.Context, l lease.Lease) error {
			fmt.Printf("printer: got it after %v in line\n", l.Waited)
			return nil
		})
	}()
	if err := queued(ctx, m, "printer"); err != nil {
		return err
	}

	// TryAcquire with QueueTTL keeps a place in line that outlives the call:
	// whoever asks again with the same ID within that time still has it.
	visitor, passerby := request("visitor", 0), request("passer-by", 0)
	visitor.ID, visitor.QueueTTL = lease.NewID(), time.Minute
	passerby.ID, passerby.QueueTTL = lease.NewID(), time.Second
	for _, r := range []lease.Request{passerby, visitor} {
		if _, err := refused(ctx, m, r); err != nil {
			return err
		}
	}

	// A Timeout bounds the wait.
	if _, err = m.Acquire(ctx, request("hasty", 200*time.Millisecond)); !errors.Is(err, lease.ErrTimeout) {
		return fmt.Errorf("waited for a file in use for 200ms: %w", err)
	}
	fmt.Println("hasty:", err)

	// The passer-by does not come back: its place lapses, and the visitor, who
	// looks in now and then, moves up.
	for place := 0; place != 2; {
		time.Sleep(400 * time.Millisecond)
		if place, err = refused(ctx, m, visitor); err != nil {
			return err
		}
	}
	fmt.Println("editor is done")
	if err := errors.Join(m.Release(ctx, editor.Ref()), <-printed); err != nil {
		return err
	}
	got, err := m.TryAcquire(ctx, visitor)
	if err != nil {
		return err
	}
	fmt.Println("visitor: came back, and it is my turn")
	return m.Release(ctx, got.Ref())
}

func request(holder string, timeout time.Duration) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths("docs/guide.md"), TTL: time.Minute, Timeout: timeout}
}

// refused tries, wants to be refused, and returns the place in line.
func refused(ctx context.Context, m lease.Manager, r lease.Request) (int, error) {
	_, err := m.TryAcquire(ctx, r)
	var conflict *lease.ConflictError
	if !errors.As(err, &conflict) {
		return 0, fmt.Errorf("%s asked for a file in use: %w", r.Holder, err)
	}
	fmt.Printf("%s: number %d in line, behind", r.Holder, conflict.Position)
	for _, b := range conflict.Blockers {
		fmt.Printf(" %s (%v)", b.Holder, b.Held)
	}
	fmt.Println()
	return conflict.Position, nil
}

// queued returns when the holder stands in line.
func queued(ctx context.Context, m lease.Manager, holder string) error {
	for _, err := range m.Watch(ctx, lease.Query{Holder: holder, Kinds: []lease.Kind{lease.KindQueued}}) {
		return err
	}
	return ctx.Err()
}
