package sqlitebackend

import (
	"testing"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// BenchmarkOpen opens an existing file, takes a path and closes, as a hook of a
// command line does.
func BenchmarkOpen(b *testing.B) {
	path := newPath(b)
	for b.Loop() {
		m, err := Open(b.Context(), path, nil)
		if err != nil {
			b.Fatal(err)
		}
		l, err := m.TryAcquire(b.Context(), lease.Request{Holder: "h", Claims: lease.Paths("a"), TTL: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		_ = l
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
