package rules_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/rules"
)

func TestClockRunsOnWhenItIsSetBack(t *testing.T) {
	at := time.UnixMilli
	var written rules.Counters // as a transaction that changes nothing leaves it
	var latest rules.Latest
	look := func(wall time.Time) (now, up int64) {
		c := written
		latest.Merge(&c)
		now, up = c.Clock(wall)
		latest.Merge(&c)
		return now, up
	}
	for _, c := range []struct {
		wall time.Time
		now  int64
	}{
		{at(5000), 5000}, {at(5007), 5007}, {at(1000), 5007}, {at(1003), 5010}, {at(900), 5010}, {at(1900), 6010}, {at(9000), 13110},
	} {
		now, up := look(c.wall)
		require.Equal(t, c.now, now)
		require.Equal(t, c.now, up)
	}
	now, up := look(at(9000).Add(time.Microsecond))
	require.Equal(t, int64(13110), now)
	require.Equal(t, int64(13111), up)

	written = rules.Counters{Now: 20_000, Offset: 10_000} // by another process
	now, _ = look(at(9500))
	require.Equal(t, int64(20_000), now)
	now, _ = look(at(9600))
	require.Equal(t, int64(20_100), now)
}
