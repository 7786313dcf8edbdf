package proctest

import (
	"bufio"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// turnHeld is how long each turn of [Turns] holds the path.
const turnHeld = time.Millisecond

// Turns are workers that take the path "hot" in turn.
type Turns struct {
	t     testing.TB
	count atomic.Int64
}

// TakeTurns starts so many workers. They end with the test.
func TakeTurns(t testing.TB, m lease.Manager, workers int) *Turns {
	t.Helper()
	turns := &Turns{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range workers {
		holder := fmt.Sprint("worker-", i)
		all.Go(func() {
			for ctx.Err() == nil {
				if err := turns.take(ctx, m, holder); err != nil && ctx.Err() == nil {
					t.Errorf("%s: %v", holder, err)
					return
				}
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		all.Wait()
	})
	return turns
}

func (t *Turns) take(ctx context.Context, m lease.Manager, holder string) error {
	l, err := m.Acquire(ctx, lease.Request{Holder: holder, Claims: lease.Paths("hot"), TTL: time.Minute})
	if err != nil {
		return err
	}
	t.count.Add(1)
	<-time.After(turnHeld)
	return m.Release(context.WithoutCancel(ctx), l.Ref())
}

// Expect waits for so many more turns, and fails the test if that takes longer
// than the limit.
func (t *Turns) Expect(more int64, limit time.Duration) {
	t.t.Helper()
	want := t.count.Load() + more
	for began := time.Now(); t.count.Load() < want; {
		if time.Since(began) > limit {
			t.t.Fatalf("%d turns of %d in %v", more-(want-t.count.Load()), more, limit)
		}
		<-time.After(turnHeld)
	}
}

// Rate returns how many turns there were a second, from the call to a second
// after what it does.
func (t *Turns) Rate(do func()) float64 {
	from, began := t.count.Load(), time.Now()
	do()
	<-time.After(time.Second)
	return float64(t.count.Load()-from) / time.Since(began).Seconds()
}

// Crowd is the role of a process that waits for that path with twenty calls, which
// would hold it for a moment only. It says "in line" once enough of them have a
// place that they cannot all be those of the workers.
func Crowd(m lease.Manager, orders *bufio.Scanner) error {
	for range 20 {
		holder := lease.NewHolder("crowd")
		go func() {
			r := lease.Request{Holder: holder, Claims: lease.Paths("hot"), TTL: 50 * time.Millisecond, Timeout: lease.NoTimeout}
			l, err := m.Acquire(context.Background(), r)
			if err != nil {
				Say("error:", err)
				return
			}
			_ = m.Release(context.Background(), l.Ref())
		}()
	}
	for {
		stats, err := m.Stats(context.Background())
		if err != nil {
			return err
		}
		if stats.Pending >= crowdWaits {
			break
		}
	}
	Say("in line")
	orders.Scan()
	return m.Close()
}

const (
	turnsWorkers = 4
	crowdWaits   = turnsWorkers + 6
	crashLimit   = 10 * time.Second // what a place that nobody notices lasts by default
)

// TestCrashes is for stores that notice who is gone. It has a process stand in line
// and crash, again and again: crash starts one, in a role that ends in [Crowd], and
// kills it. Four workers go on taking turns, though places last for an hour.
func TestCrashes(t *testing.T, m lease.Manager, crash func()) {
	t.Helper()
	config, err := m.Config(t.Context())
	must(t, err)
	config.WaiterTTL = time.Hour
	_, err = m.SetConfig(t.Context(), config)
	must(t, err)
	turns := TakeTurns(t, m, turnsWorkers)
	for range 5 {
		crash()
		turns.Expect(50, crashLimit)
	}
}

// BenchmarkCrashes reports the share of their turns that four workers keep while a
// process stands in line, crashes, and starts again a second later: see [TestCrashes].
func BenchmarkCrashes(b *testing.B, m lease.Manager, crash func()) {
	turns := TakeTurns(b, m, turnsWorkers)
	var alone, beside float64
	for b.Loop() {
		alone += turns.Rate(func() {})
		beside += turns.Rate(crash)
	}
	b.ReportMetric(beside/alone, "share")
}
