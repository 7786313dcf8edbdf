//go:build unix

package stoptest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/fencefile"
)

// TTL of the leases: with two renewals to spare on a busy machine, and soon
// over.
const TTL = time.Second

const (
	patience   = 30 * time.Second // nothing takes longer, on any machine
	writePause = TTL / 2          // between two writes of a file, on average
)

// What the process says: a line with ready, then a line with refused for each
// lease.
const (
	ready   = "ready"
	refused = "stale, and told so"
)

// Hold is the process that is stopped. Its orders, from [TakeOver], are a
// directory and a number of leases. It holds that many, keeps them renewed, and
// writes the file of each again and again under the lease's token, without ever
// looking whether the lease still lasts. It says when all is under way, and for
// each file that a write was refused and the lease's context has ended.
func Hold(m lease.Manager, orders *bufio.Scanner, answers io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if !orders.Scan() {
		return errors.New("no directory")
	}
	dir := orders.Text()
	fence, err := fencefile.Open(dir)
	if err != nil {
		return err
	}
	defer fence.Close()
	if !orders.Scan() {
		return errors.New("no number of leases")
	}
	leases, err := strconv.Atoi(orders.Text())
	if err != nil {
		return err
	}
	keeper := lease.NewKeeper(m, nil)
	defer keeper.Close()

	var writing, all sync.WaitGroup
	ends := make([]string, leases)
	for i := range leases {
		writing.Add(1)
		all.Go(func() {
			ends[i] = holdOne(ctx, m, keeper, request("stopped", dir, file(i), TTL), fence, file(i), writing.Done)
		})
	}
	writing.Wait()
	fmt.Fprintln(answers, ready)
	all.Wait()
	for _, end := range ends {
		fmt.Fprintln(answers, end)
	}
	return nil
}

// holdOne holds one file, and returns how that ended.
func holdOne(ctx context.Context, m lease.Acquirer, k *lease.Keeper, r lease.Request, fence *fencefile.Dir, name string, writing func()) string {
	writing = sync.OnceFunc(writing)
	defer writing() // whatever happened
	l, err := m.Acquire(ctx, r)
	if err != nil {
		return err.Error()
	}
	held, err := k.Keep(ctx, l, nil)
	if err != nil {
		return err.Error()
	}
	for i := 0; ; i++ {
		if err = fence.WriteFile(ctx, l.Ref(), name, fmt.Appendf(nil, "%d from the stopped\n", i), 0o644); err != nil {
			break
		}
		writing()
		<-time.After(writePause/2 + rand.N(writePause))
	}
	if !errors.Is(err, fencefile.ErrStale) {
		return err.Error()
	}
	select {
	case <-held.Context().Done():
	case <-ctx.Done():
		return "the write was refused, but the lease's context has not ended"
	}
	if err := held.Err(); !errors.Is(err, lease.ErrLost) {
		return err.Error()
	}
	return refused
}

// request asks for a file, by its full path: the directories of several tests may
// be leased in one store.
func request(holder, dir, file string, ttl time.Duration) lease.Request {
	return lease.Request{Holder: lease.NewHolder(holder), Claims: lease.Paths(filepath.Join(dir, file)), TTL: ttl, Timeout: patience}
}

func file(i int) string { return fmt.Sprint("file-", i) }
