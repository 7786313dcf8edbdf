package open

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// Who calls Tidy after each short process keeps the store small.
func TestTidySweepsOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New(nil)
		defer m.Close()
		_, err := m.TryAcquire(t.Context(), lease.Request{Holder: "h", Claims: lease.Paths("a"), TTL: lease.MinTTL})
		require.NoError(t, err)
		time.Sleep(2 * lease.MinTTL)
		s := &Store{Manager: m}
		expired := func() (n int) {
			for e, err := range m.History(t.Context(), lease.Query{Kinds: []lease.Kind{lease.KindExpired}}) {
				require.NoError(t, err)
				require.Equal(t, "h", e.Lease.Holder)
				n++
			}
			return n
		}
		require.Zero(t, expired())
		for range 100 * tidyOdds {
			s.Tidy(t.Context())
		}
		require.Equal(t, 1, expired())
	})
}
