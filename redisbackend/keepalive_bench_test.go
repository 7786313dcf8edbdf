//go:build unix

package redisbackend_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/keepbench"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/redisbackend"
)

// BenchmarkKeepAlive keeps 100,000 leases with a TTL of 30 s. One operation is one second:
//
//	go test -run '^$' -bench KeepAlive -benchtime 60x ./redisbackend
//
// shows two lifetimes. cores is the processor time of this process per second, redis-cores that of the server, latest
// the longest that a lease went without renewal, in TTLs.
func BenchmarkKeepAlive(b *testing.B) {
	server := redistest.Single(b)
	m, err := redisbackend.Open(b.Context(), server.Client(), nil)
	require.NoError(b, err)
	defer m.Close()
	before := 0.0
	kept, err := keepbench.Keep(b.Context(), m, b.N, func() {
		before = processorTime(b, server)
		b.ResetTimer()
	})
	require.NoError(b, err)
	b.ReportMetric((processorTime(b, server)-before)/kept.Wall.Seconds(), "redis-cores")
	kept.Report(b.ReportMetric)
}
