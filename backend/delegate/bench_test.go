package delegate

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// BenchmarkPair takes a lease of one path under a tree and releases it. So many
// others are held meanwhile.
func BenchmarkPair(b *testing.B) {
	for _, others := range []int{0, 1000} {
		b.Run(fmt.Sprint("others=", others), func(b *testing.B) {
			m := backend.New(under(b, lease.Trees("src"), &Options{}), nil)
			b.Cleanup(func() { require.NoError(b, m.Close()) })
			for i := range others {
				take(b, m, fmt.Sprint("other", i), fmt.Sprint("src/other/", i))
			}
			for range maxEnded { // as after a while
				pair(b, m, "worker", "src/main.go")
			}
			b.ReportAllocs()
			for b.Loop() {
				pair(b, m, "worker", "src/main.go")
			}
		})
	}
}

// BenchmarkPairsAtOnce does so on all processors, each with a path of its own.
func BenchmarkPairsAtOnce(b *testing.B) {
	m := backend.New(under(b, lease.Trees("src"), &Options{}), nil)
	b.Cleanup(func() { require.NoError(b, m.Close()) })
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		name := fmt.Sprint(n.Add(1))
		for pb.Next() {
			pair(b, m, name, "src/"+name)
		}
	})
}

func pair(b *testing.B, m lease.Manager, holder, path string) {
	l := take(b, m, holder, path)
	if err := m.Release(b.Context(), l.Ref()); err != nil {
		b.Fatal(err)
	}
}

func take(b *testing.B, m lease.Manager, holder, path string) lease.Lease {
	l, err := m.TryAcquire(b.Context(), lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	return l
}
