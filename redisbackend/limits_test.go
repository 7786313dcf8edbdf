//go:build !race

package redisbackend_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

// TestNoLongScriptsAtTheLimits: no kind of script takes more of the server's processor than a script of so many plain
// commands, however large the requests that it is for, and whoever waits. What takes 5 ms on a machine of one's own takes
// several times that on one that others use too, and so do plain commands.
func TestNoLongScriptsAtTheLimits(t *testing.T) {
	const (
		bound    = 8000 // commands: nearly twice what the longest takes
		portions = 4500 // of what is done in portions
	)
	took := scriptsAtTheLimits(t, 5000, 500)
	command := took[yardstick] / yardstickCommands
	for kind, its := range took {
		t.Logf("%-32s %10v, as %5d commands", kind, its, its/command)
		most := bound
		if slices.Contains([]string{"revocation", "sweep", "list", "history", "stats"}, kind) {
			most = portions
		}
		assert.Less(t, int(its/command), most, kind)
	}
}

// yardstick is the kind of a script of plain commands.
const (
	yardstick         = "plain commands"
	yardstickCommands = 2000
)

// BenchmarkLongScripts says how long the longest kind of script is, with 100,000 leases and 5,000 waiters:
//
//	go test -run '^$' -bench LongScripts -benchtime 1x -v ./redisbackend
func BenchmarkLongScripts(b *testing.B) {
	for range b.N {
		longest := time.Duration(0)
		for kind, took := range scriptsAtTheLimits(b, 100000, 5000) {
			b.Logf("%-32s %v", kind, took)
			longest = max(longest, took)
		}
		b.ReportMetric(float64(longest)/float64(time.Millisecond), "ms-longest")
	}
}

// scriptsAtTheLimits returns, by kind, what a script takes of the processor in the best of several rounds: a machine that
// is busy with other work only ever adds to that. Each call is alone on the server; if it takes several scripts, as those
// do that reply "again", they count as equal.
func scriptsAtTheLimits(t testing.TB, leases, waiters int) map[string]time.Duration {
	const rounds = 3
	server := redistest.Single(t)
	m := manage(t, server.Client(), nil)
	ctx := t.Context()
	config, err := m.Config(ctx)
	require.NoError(t, err)
	config.AutoSweep = false
	_, err = m.SetConfig(ctx, config)
	require.NoError(t, err)

	take := func(r lease.Request) lease.Lease {
		t.Helper()
		l, err := m.TryAcquire(ctx, r)
		require.NoError(t, err)
		return l
	}
	placed := func(r lease.Request) {
		r.QueueTTL = lease.MaxQueueTTL
		_, err := m.TryAcquire(ctx, r)
		if err == nil {
			t.Errorf("%s was granted", r.ID)
		}
	}
	named := func(id string, r lease.Request) lease.Request {
		r.ID, r.TTL = lease.ID(id), time.Hour
		return r
	}
	hot := take(named("hot", lease.Request{Holder: "hot", Claims: lease.Trees("hot")}))
	sideways(leases, func(i int) {
		_, err := m.TryAcquire(ctx, named(fmt.Sprint("l", i), request(fmt.Sprint("h", i%100), fmt.Sprintf("d/%d/%d", i%256, i))))
		if err != nil {
			t.Error(err)
		}
	})
	// Owners who each wait for their neighbour's file and for what is hot: the longest chain there can be.
	sideways(waiters, func(i int) {
		_, err := m.TryAcquire(ctx, named(fmt.Sprint("own", i), request(fmt.Sprint("w", i), fmt.Sprint("own/", i))))
		if err != nil {
			t.Error(err)
		}
	})
	next := func(i int) lease.Request {
		claims := lease.Paths("hot/f")
		if i+1 < waiters {
			claims = lease.Paths("hot/f", fmt.Sprint("own/", i+1))
		}
		return named(fmt.Sprint("w", i), lease.Request{Holder: fmt.Sprint("w", i), Claims: claims})
	}
	sideways(waiters, func(i int) { placed(next(i)) })
	stats, err := m.Stats(ctx)
	require.NoError(t, err)
	require.Equal(t, waiters, stats.Pending)

	// Paths with as many parts in all as one request may have.
	var deep, trees []string
	for i := range lease.MaxClaims {
		deep = append(deep, fmt.Sprintf("hot/%d%s", i, strings.Repeat("/p", lease.MaxPathParts/lease.MaxClaims-2)))
		trees = append(trees, fmt.Sprintf("d/%d", i))
	}
	took := map[string]time.Duration{}
	measure := func(kind string, do func()) {
		used, calls := scriptCost(t, server)
		do()
		usedAfter, callsAfter := scriptCost(t, server)
		require.Greater(t, callsAfter, calls, kind)
		cost := (usedAfter - used) / time.Duration(callsAfter-calls)
		if known, found := took[kind]; !found || cost < known {
			took[kind] = cost
		}
	}
	for round := range rounds {
		free := make([]string, lease.MaxClaims)
		for i := range free {
			free[i] = fmt.Sprintf("free/%d%s", i, strings.Repeat("/p", lease.MaxPathParts/lease.MaxClaims-2))
		}
		id := func(kind string) string { return kind + strconv.Itoa(round) }
		var held lease.Lease
		measure(yardstick, func() {
			server.Do("EVAL", `for i = 1, ARGV[1] do redis.call('HSET', KEYS[1], i, 'value') end`, 1, "yardstick", yardstickCommands)
		})
		measure("256 claims", func() { held = take(named(id("many"), lease.Request{Holder: "m", Claims: lease.Trees(free...)})) })
		measure("renewal of 256 claims", func() { _, err = m.Renew(ctx, held.Ref(), 2*time.Hour) })
		require.NoError(t, err)
		measure("release of 256 claims", func() { err = m.Release(ctx, held.Ref()) })
		require.NoError(t, err)

		r := named(id("deep"), lease.Request{Holder: "deep", Claims: lease.Paths(deep...)})
		measure("place for 256 deep claims", func() { placed(r) })
		measure("its heartbeat", func() { placed(r) })
		measure("place given up", func() { err = m.Release(ctx, lease.Ref{ID: r.ID, Holder: r.Holder}) })
		require.NoError(t, err)

		r = named(id("trees"), lease.Request{Holder: "trees", Claims: lease.Trees(trees...)})
		measure("256 trees over leases", func() { placed(r) })
		measure("their heartbeat", func() { placed(r) })
		measure("their place given up", func() { err = m.Release(ctx, lease.Ref{ID: r.ID, Holder: r.Holder}) })
		require.NoError(t, err)

		measure("refused", func() { _, err = m.TryAcquire(ctx, request("x", "hot/f")) })
		require.ErrorIs(t, err, lease.ErrConflict)
		measure("re-entry before waiters", func() { held = take(named(id("again"), request("hot", "hot/f"))) })
		measure("its release", func() { err = m.Release(ctx, held.Ref()) })
		require.NoError(t, err)
		for _, i := range []int{0, waiters / 2, waiters - 1} {
			measure("heartbeat of an owner", func() { placed(next(i)) })
		}
		measure("release before waiters", func() { err = m.Release(ctx, hot.Ref()) })
		require.NoError(t, err)
		r = named(id("hot"), lease.Request{Holder: "hot", Claims: lease.Trees("hot"), Priority: lease.MaxPriority})
		measure("hot again", func() { hot = take(r) })

		brief := request("brief", "")
		brief.TTL = 10 * time.Millisecond
		sideways(300, func(i int) {
			r := brief
			r.Claims = lease.Paths(fmt.Sprintf("brief/%d/%d", round, i))
			_, _ = m.TryAcquire(ctx, r)
		})
		time.Sleep(2 * brief.TTL)
		measure("sweep", func() { _, err = m.Sweep(ctx) })
		require.NoError(t, err)
		measure("revocation", func() {
			_, err = m.ForceRelease(ctx, lease.Query{Holder: fmt.Sprint("h", round)}, lease.Revocation{Actor: "root"})
		})
		require.NoError(t, err)
		measure("list", func() { readAll(t, m.List(ctx, lease.Query{Under: "d/99"})) })
		measure("history", func() { readAll(t, m.History(ctx, lease.Query{})) })
		measure("stats", func() { _, err = m.Stats(ctx) })
		require.NoError(t, err)
	}
	return took
}

// scriptCost returns the processor time of the server's main thread, and how many scripts it has run.
func scriptCost(t testing.TB, server *redistest.Server) (used time.Duration, calls int) {
	t.Helper()
	used = mainThread(t, server)
	for line := range strings.Lines(server.Do("INFO", "commandstats").(string)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), ":calls=")
		if slices.Contains([]string{"cmdstat_eval", "cmdstat_evalsha"}, name) {
			count, _, _ := strings.Cut(rest, ",")
			n, err := strconv.Atoi(count)
			require.NoError(t, err)
			calls += n
		}
	}
	return used, calls
}
