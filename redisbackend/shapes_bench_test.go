package redisbackend_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// many is how many goroutines the shapes are measured with.
const many = 64

// shape is a kind of request, of a goroutine that asks for the i-th time.
type shape func(worker, i int) lease.Request

func asking(worker int, claims ...lease.Claim) lease.Request {
	return lease.Request{Holder: "holder-" + strconv.Itoa(worker), Claims: claims, TTL: time.Minute}
}

func paths(worker, i, n int) (all []string) {
	for k := range n {
		all = append(all, fmt.Sprintf("src/%d/%d/%d", worker, i%1000, k))
	}
	return all
}

func several(n int) shape {
	return func(worker, i int) lease.Request { return asking(worker, lease.Paths(paths(worker, i, n)...)...) }
}

func tree(worker, i int) lease.Request { return asking(worker, lease.Trees(paths(worker, i, 1)...)...) }

func deep(depth int) shape {
	return func(worker, i int) lease.Request {
		path := paths(worker, i, 1)[0] + strings.Repeat("/d", depth-4)
		return asking(worker, lease.Paths(path)...)
	}
}

// shapes are compared with the simple one, whose name is "".
var shapes = map[string]shape{
	"":      several(1),
	"2":     several(2),
	"8":     several(8),
	"tree":  tree,
	"share": func(worker, i int) lease.Request { return asking(worker, lease.SharedPaths(paths(worker, i, 1)...)...) },
	"odd": func(worker, i int) lease.Request { // one in ten
		if i%10 == 0 {
			return several(2)(worker, i)
		}
		return several(1)(worker, i)
	},
}

// BenchmarkShapes says how many times slower than simple requests others are, with 64 goroutines that each take and give
// back paths of their own; and requests 20 deep, while a tree is held somewhere, than those 4 deep. One operation is a
// round, in which each shape has its turn; the figures are medians:
//
//	go test -run '^$' -bench Shapes -benchtime 7x ./redisbackend
func BenchmarkShapes(b *testing.B) {
	server := redistest.Single(b)
	m, err := redisbackend.Open(b.Context(), server.Client(), nil)
	require.NoError(b, err)
	defer m.Close()
	turns := maps.Clone(shapes)
	turns["deep"], turns["flat"] = deep(20), deep(4)
	names := slices.Sorted(maps.Keys(turns))
	times := map[string][]float64{}
	for range b.N {
		rate := map[string]float64{}
		for _, name := range names {
			release := func() {}
			if name == "deep" || name == "flat" {
				l, err := m.TryAcquire(b.Context(), asking(many, lease.Trees("elsewhere")...))
				require.NoError(b, err)
				release = func() { require.NoError(b, m.Release(b.Context(), l.Ref())) }
			}
			rate[name] = turn(b, m, turns[name])
			release()
		}
		for _, name := range names {
			switch name {
			case "":
				times["simple/s"] = append(times["simple/s"], rate[""])
			case "flat":
			case "deep":
				times["x-deep"] = append(times["x-deep"], rate["flat"]/rate["deep"])
			default:
				times["x-"+name] = append(times["x-"+name], rate[""]/rate[name])
			}
		}
	}
	for name, all := range times {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], name)
	}
}

// turn takes and gives back for a moment, and returns how often in a second.
func turn(b *testing.B, m lease.Manager, ask shape) float64 {
	b.Helper()
	const moment = 400 * time.Millisecond
	var pairs atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for worker := range many {
		all.Go(func() {
			for i := 0; time.Since(start) < moment && !b.Failed(); i++ {
				l, err := m.TryAcquire(b.Context(), ask(worker, i))
				if err == nil {
					err = m.Release(b.Context(), l.Ref())
				}
				if err != nil {
					b.Error(err)
					return
				}
				pairs.Add(1)
			}
		})
	}
	all.Wait()
	return float64(pairs.Load()) / time.Since(start).Seconds()
}

// BenchmarkMemory says what a lease takes of the server's memory, of b.N that are held at once, each on a path of 40
// bytes:
//
//	go test -run '^$' -bench Memory -benchtime 200000x ./redisbackend
//
// keys are the structures that it is in; the rest is the history.
func BenchmarkMemory(b *testing.B) {
	server := redistest.Single(b)
	m, err := redisbackend.Open(b.Context(), server.Client(), nil)
	require.NoError(b, err)
	defer m.Close()
	before := usedMemory(b, server)
	var next atomic.Int64
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				r := asking(int(i%1000), lease.Paths(fmt.Sprintf("repository/packages/%03d/file-%09d.go", i%1000, i))...)
				r.TTL = time.Hour
				if _, err := m.TryAcquire(b.Context(), r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric((usedMemory(b, server)-before)/float64(b.N), "B/lease")
	for _, key := range []string{"records", "index", "history"} {
		used, _ := server.Do("MEMORY", "USAGE", "leasekit:{default}:"+key, "SAMPLES", 1000).(int64)
		b.ReportMetric(float64(used)/float64(b.N), "B-"+key)
	}
}

func usedMemory(b *testing.B, server *redistest.Server) float64 {
	b.Helper()
	for line := range strings.Lines(fmt.Sprint(server.Do("INFO", "memory"))) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); found {
			used, err := strconv.ParseFloat(value, 64)
			require.NoError(b, err)
			return used
		}
	}
	b.Fatal("INFO memory has no used_memory")
	return 0
}
