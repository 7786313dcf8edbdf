//go:build unix

package lease_test

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// willing is the cheapest Acquirer there is, so that what is measured is the
// Keeper. It takes a millisecond for each call, as a store's round trip does.
type willing struct {
	lease.Acquirer
	ttl time.Duration
}

func (w willing) grant(ref lease.Ref) lease.Lease {
	return lease.Lease{ID: ref.ID, Holder: ref.Holder, Token: ref.Token, Status: lease.Active, TTL: w.ttl}.
		Measured(lease.Clock(), w.ttl)
}

func (w willing) Renew(ctx context.Context, ref lease.Ref, _ time.Duration) (lease.Lease, error) {
	l := w.grant(ref)
	timer := time.NewTimer(time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return l, nil
	case <-ctx.Done():
		return lease.Lease{}, ctx.Err()
	}
}

// BenchmarkKeeper keeps 100,000 leases with a TTL of 30 s. One operation is one
// second; give -benchtime=60x to see two lifetimes. cores is the processor time
// of the process per second, latest the longest that a lease went without
// renewal, in TTLs.
func BenchmarkKeeper(b *testing.B) {
	const leases, ttl = 100_000, 30 * time.Second
	m := willing{ttl: ttl}
	var renewed, retried, lost atomic.Int64
	k := lease.NewKeeper(m, &lease.KeeperOptions{Observer: &lease.KeeperObserver{
		Renewed: func(lease.Lease, time.Duration) { renewed.Add(1) },
		Retried: func(lease.Lease, error) { retried.Add(1) },
		Lost:    func(lease.Lease, error) { lost.Add(1) },
	}})
	defer k.Close()
	held := make([]*lease.Held, leases)
	for i := range held {
		var err error
		held[i], err = k.Keep(b.Context(), m.grant(lease.Ref{ID: lease.NewID(), Holder: "a", Token: 1}), nil)
		require.NoError(b, err)
	}

	second := time.NewTicker(time.Second)
	defer second.Stop()
	b.ResetTimer()
	renewed.Store(0)
	start, used := time.Now(), processorTime(b)
	worst := time.Duration(0)
	for range b.N {
		<-second.C
		for i := 0; i < leases; i += 101 {
			worst = max(worst, ttl-held[i].Lease().Remaining())
		}
	}
	wall := time.Since(start)
	b.ReportMetric((processorTime(b)-used).Seconds()/wall.Seconds(), "cores")
	b.ReportMetric(float64(renewed.Load())/wall.Seconds(), "renewals/s")
	b.ReportMetric(worst.Seconds()/ttl.Seconds(), "latest")
	b.ReportMetric(float64(retried.Load()), "retried")
	b.ReportMetric(float64(lost.Load()), "lost")
	b.ReportMetric(0, "ns/op")
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
