package lease_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// An observer that panics ends no keeping: neither of the lease that it is told
// of nor of others.
func TestKeeperObserverPanics(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		told := make(chan string, 1000)
		say := func(what string) { told <- what; panic(what) }
		k := keeper(t, m, &lease.KeeperOptions{Observer: &lease.KeeperObserver{
			Renewed: func(lease.Lease, time.Duration) { say("renewed") },
			Retried: func(lease.Lease, error) { say("retried") },
			Lost:    func(lease.Lease, error) { say("lost") },
			Skipped: func(lease.Lease, time.Duration) { say("skipped") },
		}})
		h := keep(t, k, acquire(t, m, exclusive("a", "f", time.Minute)), nil)
		hung := keep(t, k, acquire(t, m, exclusive("b", "g", time.Minute)), &lease.KeepOptions{Progress: time.Second})
		failed := false
		m.disturb(func(ctx context.Context, renew renewCall) (lease.Lease, error) {
			if !failed {
				failed = true
				return lease.Lease{}, lease.ErrUnavailable
			}
			return renew(ctx)
		})
		time.Sleep(time.Hour)
		require.NoError(t, h.Err())
		require.ErrorIs(t, hung.Err(), lease.ErrExpired)
		k.Close()
		close(told)
		seen := map[string]bool{}
		for what := range told {
			seen[what] = true
		}
		require.Equal(t, map[string]bool{"renewed": true, "retried": true, "lost": true, "skipped": true}, seen)
	})
}
