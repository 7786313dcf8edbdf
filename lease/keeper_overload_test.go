package lease_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// A store that cannot keep up costs as many leases as it is short of, not all:
// the work does not go into renewals that come too late.
func TestOverloadSparesTheRest(t *testing.T) {
	const leases, ttl, perSecond = 1000, 30 * time.Second, 25 // 35 would be enough
	synctest.Test(t, func(t *testing.T) {
		var lost atomic.Int64
		m := busy{ttl: ttl, each: time.Second / perSecond, turn: make(chan struct{}, 1)}
		k := keeper(t, m, &lease.KeeperOptions{Concurrency: 32, Observer: &lease.KeeperObserver{
			Lost: func(lease.Lease, error) { lost.Add(1) },
		}})
		for i := range leases {
			time.Sleep(10 * time.Millisecond)
			keep(t, k, m.grant(lease.Ref{ID: lease.ID(strconv.Itoa(i)), Holder: "a", Token: 1}), nil)
		}
		time.Sleep(5 * ttl)
		short := leases - perSecond*int64(ttl/time.Second)
		require.GreaterOrEqual(t, lost.Load(), short, "else the store is not overloaded")
		require.Less(t, lost.Load(), 2*short)
		k.Close()
	})
}

// busy does one call at a time, each for so long.
type busy struct {
	lease.Acquirer
	ttl, each time.Duration
	turn      chan struct{}
}

func (b busy) grant(ref lease.Ref) lease.Lease {
	return lease.Lease{ID: ref.ID, Holder: ref.Holder, Token: ref.Token, Status: lease.Active, TTL: b.ttl}.
		Measured(lease.Clock(), b.ttl)
}

func (b busy) Renew(ctx context.Context, ref lease.Ref, _ time.Duration) (lease.Lease, error) {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return lease.Lease{}, ctx.Err()
	}
	defer func() { <-b.turn }()
	time.Sleep(b.each)
	return b.grant(ref), nil
}

func (b busy) Release(ctx context.Context, ref lease.Ref) error {
	_, err := b.Renew(ctx, ref, 0)
	return err
}
