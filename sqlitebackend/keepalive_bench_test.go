//go:build unix

package sqlitebackend

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/keepbench"
)

// BenchmarkKeepAlive keeps 100,000 leases with a TTL of 30 s. One operation is
// one second:
//
//	go test -run '^$' -bench KeepAlive -benchtime 60x ./sqlitebackend
//
// shows two lifetimes. cores is the processor time of this process per second,
// which is all there is, latest the longest that a lease went without renewal,
// in TTLs.
func BenchmarkKeepAlive(b *testing.B) {
	for _, synchronous := range []Synchronous{Full, Normal} {
		b.Run("synchronous="+synchronous.String(), func(b *testing.B) {
			m := openForBench(b, filepath.Join(b.TempDir(), "leases.db"), synchronous)
			kept, err := keepbench.Keep(b.Context(), m, b.N, b.ResetTimer)
			require.NoError(b, err)
			kept.Report(b.ReportMetric)
		})
	}
}
