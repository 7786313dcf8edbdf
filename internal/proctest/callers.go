package proctest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leasekit/leasekit/lease"
)

const (
	callersOfEach = 16
	callersWork   = 3 * time.Second
	sharedEach    = 20 // one in so many paths is one that all processes take
)

// Callers is the role of a process whose callers take and give back paths, mostly
// those of their own, between the orders "go" and "stop". It answers how many.
func Callers(m lease.Manager, orders *bufio.Scanner) error {
	Say("ready")
	orders.Scan()
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		orders.Scan()
		stop()
	}()
	var pairs atomic.Int64
	failed := make(chan error, callersOfEach)
	var all sync.WaitGroup
	for i := range callersOfEach {
		holder := fmt.Sprintf("%d/%d", os.Getpid(), i)
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				path := "own/" + holder
				if (n+i)%sharedEach == sharedEach-1 {
					path = fmt.Sprint("shared/", i%2)
				}
				switch err := pair(ctx, m, holder, path); {
				case err == nil:
					pairs.Add(1)
				case ctx.Err() == nil:
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	Say(pairs.Load())
	return m.Close()
}

func pair(ctx context.Context, m lease.Manager, holder, path string) error {
	l, err := m.Acquire(ctx, lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: time.Minute, Timeout: lease.NoTimeout})
	if err != nil {
		return err
	}
	return m.Release(context.WithoutCancel(ctx), l.Ref())
}

// RunCallers runs so many processes in a role that ends in [Callers], side by
// side, and returns how many paths each has taken and given back.
func RunCallers(t testing.TB, processes int, role, path string) (pairs []int) {
	t.Helper()
	children := make([]*Process, processes)
	for i := range children {
		children[i] = Start(t, role, path)
	}
	for _, c := range children {
		c.Expect("ready")
	}
	for _, c := range children {
		c.Order("go")
	}
	<-time.After(callersWork)
	for _, c := range children {
		c.Order("stop")
	}
	for _, c := range children {
		n, err := strconv.Atoi(c.Answer())
		must(t, err)
		pairs = append(pairs, n)
	}
	t.Logf("taken and given back: %v", pairs)
	return pairs
}
