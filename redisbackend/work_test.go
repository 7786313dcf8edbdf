//go:build !race

package redisbackend_test

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

// TestNoLongScripts: while a script runs the server does nothing else, so in a namespace of many leases and waiters none
// of any kind is long. What counts is the processor time of the server's main thread, the average of a kind in the best of
// several rounds: on a busy machine any script may be interrupted, and seem a hundred times as long as it is.
func TestNoLongScripts(t *testing.T) {
	const (
		bound   = 10 * time.Millisecond // two of what is promised of an ordinary machine
		rounds  = 3
		leases  = 10000
		waiters = 200
	)
	server := redistest.Single(t, "slowlog-log-slower-than 1", "slowlog-max-len 100000")
	m := manage(t, server.Client(), nil)
	ctx := t.Context()
	config, err := m.Config(ctx)
	require.NoError(t, err)
	config.AutoSweep = false
	_, err = m.SetConfig(ctx, config)
	require.NoError(t, err)

	hot, err := m.TryAcquire(ctx, request("hot", "hot"))
	require.NoError(t, err)
	sideways(leases, func(i int) {
		r := request(fmt.Sprint("h", i%100), fmt.Sprintf("d/%d/%d", i%50, i))
		r.TTL = time.Hour
		_, _ = m.TryAcquire(ctx, r)
	})
	sideways(waiters, func(i int) {
		r := request(fmt.Sprint("h", i), "hot")
		r.ID, r.QueueTTL = lease.ID(fmt.Sprint("w", i)), time.Hour
		_, _ = m.TryAcquire(ctx, r)
	})
	stats, err := m.Stats(ctx)
	require.NoError(t, err)
	require.Equal(t, [2]int{leases + 1, waiters}, [2]int{stats.Active, stats.Pending})

	brief := func(name string, n int) { // leases that are over
		sideways(n, func(i int) {
			r := request(name, fmt.Sprint(name, "/", i))
			r.TTL = 10 * time.Millisecond
			_, _ = m.TryAcquire(ctx, r)
		})
		time.Sleep(20 * time.Millisecond)
	}
	best := map[string]cost{}
	measure := func(kind string, do func()) {
		server.Do("SLOWLOG", "RESET")
		before := mainThread(t, server)
		do()
		used := mainThread(t, server) - before
		var took []time.Duration
		entries, _ := server.Do("SLOWLOG", "GET", "-1").([]any)
		for _, entry := range entries {
			fields := entry.([]any)
			if command := fields[3].([]any)[0]; command == "evalsha" || command == "eval" {
				took = append(took, time.Duration(1000*fields[2].(int64))) // it tells microseconds
			}
		}
		slices.Sort(took)
		wall := took[len(took)*9/10]
		now := cost{used / time.Duration(len(took)), wall}
		if known, found := best[kind]; found {
			now = cost{min(known.processor, now.processor), min(known.wall, now.wall)}
		}
		best[kind] = now
	}
	for round := range rounds {
		var held []lease.Lease
		var mu sync.Mutex
		measure("acquire", func() {
			sideways(500, func(i int) {
				if l, err := m.TryAcquire(ctx, request("a", fmt.Sprintf("d/a/%d/%d", round, i))); err == nil {
					mu.Lock()
					defer mu.Unlock()
					held = append(held, l)
				}
			})
		})
		require.Len(t, held, 500)
		measure("renew", func() { sideways(500, func(i int) { _, _ = m.Renew(ctx, held[i].Ref(), 0) }) })
		measure("release", func() { sideways(500, func(i int) { _ = m.Release(ctx, held[i].Ref()) }) })
		measure("refused", func() {
			sideways(200, func(i int) { _, _ = m.TryAcquire(ctx, request(fmt.Sprint("x", i), "hot")) })
		})
		measure("refused to owners", func() {
			sideways(50, func(i int) { _, _ = m.TryAcquire(ctx, request(fmt.Sprint("h", i), "hot")) })
		})
		measure("re-entry", func() {
			l, err := m.TryAcquire(ctx, request("hot", "hot"))
			require.NoError(t, err)
			require.NoError(t, m.Release(ctx, l.Ref()))
		})
		measure("asks of waiters", func() {
			sideways(waiters/2, func(i int) {
				r := request(fmt.Sprint("h", i), "hot")
				r.ID, r.QueueTTL = lease.ID(fmt.Sprint("w", i)), time.Hour
				_, _ = m.TryAcquire(ctx, r)
			})
		})
		measure("release before waiters", func() {
			require.NoError(t, m.Release(ctx, hot.Ref()))
			r := request(fmt.Sprint("h", round), "hot") // one that was there; after its end it would be known
			r.ID, r.QueueTTL = lease.ID(fmt.Sprint("w", round)), time.Hour
			hot, err = m.TryAcquire(ctx, r)
		})
		if err != nil {
			require.ErrorIs(t, err, lease.ErrConflict)
		}
		require.NoError(t, m.Release(ctx, lease.Ref{ID: lease.ID(fmt.Sprint("w", round)), Holder: fmt.Sprint("h", round)}))
		r := request("hot", "hot")
		r.Priority, r.ID = lease.MaxPriority, lease.ID(fmt.Sprint("hot", round))
		r.QueueTTL = time.Hour
		hot, err = m.TryAcquire(ctx, r)
		require.NoError(t, err)
		brief("x", 600)
		measure("sweep", func() { _, err = m.Sweep(ctx) })
		require.NoError(t, err)
		brief("y", 300)
		measure("force", func() {
			sideways(300, func(i int) { _, _ = m.TryAcquire(ctx, request("f", fmt.Sprint("forced/", i))) })
			ended, err := m.ForceRelease(ctx, lease.Query{Holder: "f"}, lease.Revocation{Actor: "root"})
			require.NoError(t, err)
			require.Len(t, ended, 300)
		})
		measure("list", func() { readAll(t, m.List(ctx, lease.Query{Under: "d/1"})) })
		measure("events", func() { readAll(t, m.History(ctx, lease.Query{})) })
	}
	for kind, its := range best {
		t.Logf("%-24s %8v a script, nine of ten within %v of wall time", kind, its.processor, its.wall)
		require.Less(t, its.processor, bound, kind)
	}
}

// cost is what scripts take: on average, of the processor, and nine of ten by the clock.
type cost struct{ processor, wall time.Duration }

// mainThread returns the processor time that the server's main thread has used.
func mainThread(t testing.TB, server *redistest.Server) time.Duration {
	t.Helper()
	var used time.Duration
	for line := range strings.Lines(server.Do("INFO", "cpu").(string)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user_main_thread" || name == "used_cpu_sys_main_thread" {
			seconds, err := strconv.ParseFloat(value, 64)
			require.NoError(t, err)
			used += time.Duration(seconds * float64(time.Second))
		}
	}
	require.Positive(t, used)
	return used
}

// sideways does something n times, up to 32 at once.
func sideways(n int, do func(i int)) {
	const most = 32
	var all sync.WaitGroup
	for worker := range most {
		all.Go(func() {
			for i := worker; i < n; i += most {
				do(i)
			}
		})
	}
	all.Wait()
}

// readAll reads a listing to its end, or 2,000 of it.
func readAll[T any](tb testing.TB, all iter.Seq2[T, error]) {
	tb.Helper()
	n := 0
	for _, err := range all {
		if require.NoError(tb, err); n == 2000 {
			break
		}
		n++
	}
}
