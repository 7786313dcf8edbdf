// Upgrade is several readers of one file, one of whom finds something to change
// and becomes its writer, without anybody coming between. If two of them want
// to, each would wait for the other to stop reading: the second is told at once.
//
//	go run ./examples/upgrade
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
	dir, err := os.MkdirTemp("", "leasekit-upgrade-")
	if err == nil {
		err = errors.Join(run(context.Background(), dir), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("OK: one became the writer, nobody came between, nobody hung")
}

func run(ctx context.Context, dir string) error {
	m, err := sqlitebackend.Open(ctx, filepath.Join(dir, "leases.db"), nil)
	if err != nil {
		return err
	}
	defer m.Close()

	readers := map[string]lease.Lease{}
	for _, holder := range []string{"ada", "bob", "cleo"} {
		r := lease.Request{Holder: holder, Claims: lease.SharedPaths("plan.md"), TTL: time.Minute}
		if readers[holder], err = m.TryAcquire(ctx, r); err != nil {
			return err
		}
	}
	fmt.Println("ada, bob and cleo read plan.md at the same time")

	// Ada waits until the others have stopped reading. She goes on reading
	// meanwhile, so what she read is still true when she writes.
	ada := make(chan result, 1)
	go func() {
		l, err := lease.Upgrade(ctx, m, readers["ada"])
		ada <- result{l, err}
	}()
	if err := waits(ctx, m, "ada"); err != nil {
		return err
	}
	fmt.Println("ada wants to write, and waits for the others")

	// Bob cannot become a writer too. He still has what he had; he gives it up.
	_, err = lease.Upgrade(ctx, m, readers["bob"])
	if !errors.Is(err, lease.ErrDeadlock) {
		return fmt.Errorf("two upgraded, and the second was told: %w", err)
	}
	fmt.Println("bob wants to write, too:", err)

	// A newcomer who only wants to read does not slip past her.
	_, err = m.TryAcquire(ctx, lease.Request{Holder: "dan", Claims: lease.SharedPaths("plan.md")})
	if !errors.Is(err, lease.ErrConflict) {
		return fmt.Errorf("a newcomer passed a waiting writer: %w", err)
	}
	fmt.Println("dan wants to read, and is refused: ada is first")

	if err := errors.Join(m.Release(ctx, readers["bob"].Ref()), m.Release(ctx, readers["cleo"].Ref())); err != nil {
		return err
	}
	fmt.Println("bob and cleo have stopped reading")
	writer := <-ada
	if writer.err != nil || writer.lease.Token <= readers["ada"].Token {
		return errors.Join(fmt.Errorf("ada has token %d after %d", writer.lease.Token, readers["ada"].Token), writer.err)
	}
	fmt.Println("ada writes, with a newer token")

	reader, err := lease.Downgrade(ctx, m, writer.lease)
	if err != nil {
		return err
	}
	dan, err := m.TryAcquire(ctx, lease.Request{Holder: "dan", Claims: lease.SharedPaths("plan.md")})
	if err != nil {
		return err
	}
	fmt.Println("ada only reads again, and dan with her")
	return errors.Join(m.Release(ctx, reader.Ref()), m.Release(ctx, dan.Ref()))
}

type result struct {
	lease lease.Lease
	err   error
}

// waits returns when the holder stands in line.
func waits(ctx context.Context, m lease.Manager, holder string) error {
	for _, err := range m.Watch(ctx, lease.Query{Holder: holder, Kinds: []lease.Kind{lease.KindQueued}}) {
		return err
	}
	return ctx.Err()
}
