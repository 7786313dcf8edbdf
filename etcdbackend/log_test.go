package etcdbackend

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// TestLogIsCleaned: however often leases come and go beside some that stay, the
// log has not many more entries than are of use, all processes know the same
// ones, and who reads it anew knows what they know: nothing that was forgotten
// comes back.
func TestLogIsCleaned(t *testing.T) {
	bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
		o := &Options{MaxSkew: OneClock, spare: 100}
		own, follower := open(o), open(o)
		m, other := manage(t, own), manage(t, follower)
		config, err := m.Config(t.Context())
		require.NoError(t, err)
		config.AutoSweep, config.EndedRetention = false, lease.MinEndedRetention
		_, err = m.SetConfig(t.Context(), config)
		require.NoError(t, err)
		const stay = 50
		for i := range stay {
			r := request("stays", fmt.Sprint("stay/", i))
			r.TTL = 24 * time.Hour
			_, err := m.TryAcquire(t.Context(), r)
			require.NoError(t, err)
		}
		for i := range 2000 {
			l, err := m.TryAcquire(t.Context(), request("goes", fmt.Sprint(i)))
			require.NoError(t, err)
			require.NoError(t, m.Release(t.Context(), l.Ref()))
			if i%100 == 99 {
				<-time.After(lease.MinEndedRetention + time.Second)
				_, err = m.Sweep(t.Context())
				require.NoError(t, err)
			}
		}
		fresh := open(o)
		synctest.Wait() // the follower has caught up
		newest := manage(t, fresh)
		f.mu.Lock()
		keys := 0
		for key := range f.keys {
			if strings.HasPrefix(key, own.keys.prefix+logKey) {
				keys++
			}
		}
		f.mu.Unlock()
		sizes := func(s *Store) [3]int { // of what it knows
			s.mirror.mutex.RLock()
			defer s.mirror.mutex.RUnlock()
			return [3]int{len(s.mirror.segments), s.mirror.entries, len(s.mirror.records.byID)}
		}
		known := sizes(own)
		require.Equal(t, keys, known[0])
		require.Less(t, known[1], 4*(stay+100)+100)
		require.Less(t, known[2], stay+100)
		require.Equal(t, known, sizes(follower))
		require.Equal(t, known, sizes(fresh))
		for _, m := range []lease.Manager{m, other, newest} {
			stats, err := m.Stats(t.Context())
			require.NoError(t, err)
			require.Equal(t, stay, stats.Active)
			_, err = m.TryAcquire(t.Context(), request("x", "stay/7"))
			require.ErrorIs(t, err, lease.ErrConflict)
		}
		conformance.Check(t, newest)
	})
}
