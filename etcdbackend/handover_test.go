package etcdbackend

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// TestHandoverInOneProcess: what is given up is passed on to a waiter of the same
// process in the same transaction.
func TestHandoverInOneProcess(t *testing.T) {
	bubble(t, func(t *testing.T, _ *fakeEtcd, open func(*Options) *Store) {
		const waiters = 20
		s := open(nil)
		m := manage(t, s)
		held, err := m.TryAcquire(t.Context(), request("first", "hot"))
		require.NoError(t, err)
		granted := make(chan lease.Lease)
		for i := range waiters {
			go func() {
				l, err := m.Acquire(t.Context(), request(fmt.Sprint("h", i), "hot"))
				if err != nil {
					t.Error(err)
				}
				granted <- l
			}()
		}
		synctest.Wait()
		before := s.mirrored().Number
		for range waiters {
			require.NoError(t, m.Release(t.Context(), held.Ref()))
			held = <-granted
		}
		require.Less(t, s.mirrored().Number-before, int64(waiters*3/2), "one each, but for a few waiters that were slow to ask")
		conformance.Check(t, m)
	})
}
