package bootclock

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNowAgreesWithTheSystem(t *testing.T) {
	require.InDelta(t, sinceBoot().Seconds(), Now().Seconds(), 1)
}

func TestNowNeverRunsBackwards(t *testing.T) {
	last := Now()
	for range 100_000 {
		now := Now()
		require.GreaterOrEqual(t, now, last)
		last = now
	}
}

func TestNowFollowsVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading := Now()
		time.Sleep(time.Hour)
		require.InDelta(t, time.Hour.Seconds(), Since(reading).Seconds(), 0.01)
	})
}

func TestASuspensionIsCounted(t *testing.T) {
	var asleep time.Duration
	asks := 0
	s := suspension{ask: func() time.Duration { asks++; return asleep }}
	require.Zero(t, s.longer(time.Second, 0))
	require.Zero(t, s.longer(time.Second+time.Millisecond, 0))
	require.Equal(t, 1, asks, "nothing happened in between")

	asleep = time.Hour
	require.Equal(t, time.Hour, s.longer(time.Second+2*time.Millisecond, time.Hour), "the wall clock went on")
	require.Equal(t, time.Hour, s.longer(time.Second+3*time.Millisecond, time.Hour))
	require.Equal(t, 2, asks)

	require.Equal(t, time.Hour, s.longer(time.Second+4*time.Millisecond, 0), "the wall clock was set back")
	asleep += time.Minute
	require.Equal(t, time.Hour+time.Minute, s.longer(3*time.Second, 0), "the wall clock was set back while it slept")
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		Now()
	}
}
