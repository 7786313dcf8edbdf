package sqlitebackend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// BenchmarkPair is one goroutine's acquire and release: with its allocations.
func BenchmarkPair(b *testing.B) {
	for _, mode := range []Synchronous{Normal, Full} {
		b.Run(mode.String(), func(b *testing.B) {
			m, err := Open(b.Context(), newPath(b), &Options{Synchronous: mode})
			require.NoError(b, err)
			defer m.Close()
			r := lease.Request{Holder: "agent", Claims: lease.Paths("src/pkg/file.go"), TTL: time.Minute}
			b.ReportAllocs()
			for b.Loop() {
				l, err := m.TryAcquire(b.Context(), r)
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Release(b.Context(), l.Ref()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
