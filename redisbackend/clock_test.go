package redisbackend_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

// TestClocksThatDiffer: while two servers whose clocks are 39 s apart take over from each other, the store's clock never runs
// backwards, and is never ahead of both. When the one that is behind stays, the store's runs at half its speed until the
// difference is gone.
func TestClocksThatDiffer(t *testing.T) {
	const apart = 39 * time.Second
	server := redistest.Mini(t)
	behind := time.Now().Truncate(time.Millisecond)
	server.SetTime(behind)
	m := manage(t, server.Client(), nil)

	n, latest := 0, time.Time{}
	storeClock := func() time.Time {
		t.Helper()
		n++
		l, err := m.TryAcquire(t.Context(), lease.Request{Holder: "h", Claims: lease.Paths(fmt.Sprint("p", n)), TTL: time.Minute})
		require.NoError(t, err)
		require.False(t, l.CreatedAt.Before(latest), "the clock ran backwards")
		latest = l.CreatedAt
		return latest
	}
	for range 5 {
		behind = behind.Add(5 * time.Second)
		server.SetTime(behind.Add(apart))
		require.WithinDuration(t, behind.Add(apart), storeClock(), time.Millisecond)
		behind = behind.Add(5 * time.Second)
		server.SetTime(behind)
		require.WithinRange(t, storeClock(), behind, behind.Add(apart))
	}
	last := storeClock()
	ahead := last.Sub(behind)
	require.Greater(t, ahead, 30*time.Second)
	for passed := time.Second; passed <= 2*ahead+time.Second; passed += time.Second {
		server.SetTime(behind.Add(passed))
		slowed := last.Add(passed / 2)
		if now := behind.Add(passed); slowed.Before(now) {
			slowed = now
		}
		require.WithinDuration(t, slowed, storeClock(), 500*time.Millisecond, "after %s", passed)
	}
	behind = behind.Add(2*ahead + time.Minute)
	server.SetTime(behind)
	require.Equal(t, behind, storeClock().In(behind.Location()), "the difference is gone")
}
