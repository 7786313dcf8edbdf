//go:build unix

package keepbench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// acquirers is how many goroutines acquire the leases: a full batch of a store,
// and fewer than a Keeper renews with, which they compete with.
const acquirers = 128

// Kept is the cost of keeping leases, and how well they were kept.
type Kept struct {
	TTL      time.Duration
	Acquired time.Duration // how long it took to get them all
	Wall     time.Duration // how long they were kept after that
	CPU      time.Duration // processor time of this process meanwhile
	Renewals int
	Latest   time.Duration // the longest time between two replies that gave a lease its TTL
	Retried  int           // renewals that failed
	Lost     int
}

// Report passes the figures to report, with their units. Cores are of this
// process; latest is in TTLs.
func (k Kept) Report(report func(n float64, unit string)) {
	report(k.CPU.Seconds()/k.Wall.Seconds(), "cores")
	report(float64(k.CPU.Microseconds())/float64(max(k.Renewals, 1)), "cpu-µs/renewal")
	report(float64(k.Renewals)/k.Wall.Seconds(), "renewals/s")
	report(float64(k.Latest)/float64(k.TTL), "latest")
	report(float64(k.Retried), "retried")
	report(float64(k.Lost), "lost")
	report(k.Acquired.Seconds(), "s-to-acquire")
	report(0, "ns/op")
}

// Keep acquires 100,000 leases with a TTL of 30 s, one a path, keeps each from
// when it is granted on, and measures for so many seconds once all are granted.
// A single second, which is what CI asks for, is a trial with fewer leases and a
// shorter TTL. Measuring is called when the seconds begin.
func Keep(ctx context.Context, m lease.Acquirer, seconds int, measuring func()) (Kept, error) {
	leases, ttl := 100_000, 30*time.Second
	if seconds == 1 {
		leases, ttl = 1000, 2*time.Second
	}
	w := &watch{last: make([]atomic.Int64, leases), start: time.Now()}
	k := lease.NewKeeper(m, &lease.KeeperOptions{Observer: &lease.KeeperObserver{
		Renewed: func(l lease.Lease, _ time.Duration) { w.saw(l) },
		Retried: func(lease.Lease, error) { w.retried.Add(1) },
		Lost:    func(lease.Lease, error) { w.lost.Add(1) },
	}})
	defer k.Close()
	if err := acquire(ctx, m, k, w, ttl); err != nil {
		return Kept{}, err
	}

	w.measuring.Store(true)
	measuring()
	start, used := time.Now(), processorTime()
	kept := Kept{TTL: ttl, Acquired: start.Sub(w.start)}
	<-time.After(time.Duration(seconds) * time.Second)
	kept.Wall, kept.CPU = time.Since(start), processorTime()-used
	w.end()
	kept.Renewals, kept.Retried, kept.Lost = int(w.renewed.Load()), int(w.retried.Load()), int(w.lost.Load())
	kept.Latest = time.Duration(w.latest.Load())
	return kept, nil
}

// acquire has all leases granted and kept.
func acquire(ctx context.Context, m lease.Acquirer, k *lease.Keeper, w *watch, ttl time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for range acquirers {
		group.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(w.last) {
					return
				}
				l, err := m.TryAcquire(ctx, lease.Request{
					ID: lease.ID(strconv.Itoa(i)), Holder: fmt.Sprint("agent-", i%100), TTL: ttl,
					Claims: lease.Paths(fmt.Sprintf("src/package-%d/file-%d.go", i/100, i)),
				})
				if err == nil {
					w.saw(l)
					_, err = k.Keep(ctx, l, nil)
				}
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// watch sees every lease's renewals. The ID of a lease is its number.
type watch struct {
	start     time.Time
	last      []atomic.Int64 // when each was granted or renewed, after start
	measuring atomic.Bool
	renewed   atomic.Int64
	retried   atomic.Int64
	lost      atomic.Int64
	latest    atomic.Int64
}

// saw notes that the lease has its whole TTL before it.
func (w *watch) saw(l lease.Lease) {
	i, err := strconv.Atoi(string(l.ID))
	if err != nil {
		panic(err) // not a lease of acquire's
	}
	now := int64(time.Since(w.start))
	before := w.last[i].Swap(now)
	if w.measuring.Load() {
		w.renewed.Add(1)
		w.late(now - before)
	}
}

// end counts the leases that still wait for a renewal.
func (w *watch) end() {
	w.measuring.Store(false)
	now := int64(time.Since(w.start))
	for i := range w.last {
		w.late(now - w.last[i].Load())
	}
}

func (w *watch) late(by int64) {
	for {
		latest := w.latest.Load()
		if by <= latest || w.latest.CompareAndSwap(latest, by) {
			return
		}
	}
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // it cannot fail
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
