package sqlitebackend

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Many claims at once find what each of them finds alone.
func TestOverlapOfManyClaims(t *testing.T) {
	s, err := OpenStore(t.Context(), newPath(t), &quick)
	require.NoError(t, err)
	m := backend.New(s, nil)
	defer func() { require.NoError(t, m.Close()) }()
	random := func(n int) []lease.Claim {
		var claims []lease.Claim
		for range n {
			c := lease.Claim{Path: fmt.Sprintf("a%d/b%d/c%d", rand.IntN(3), rand.IntN(3), rand.IntN(3))[:2+3*rand.IntN(3)]}
			c.Mode, c.Scope = lease.Mode(rand.IntN(2)), lease.Scope(rand.IntN(2))
			if rand.IntN(20) == 0 {
				c = lease.Claim{Path: lease.Root, Mode: lease.Shared, Scope: lease.Tree}
			}
			claims = append(claims, c)
		}
		return claims
	}
	for i := range 30 {
		_, _ = m.TryAcquire(t.Context(), lease.Request{
			ID: lease.ID(fmt.Sprint(i)), Holder: fmt.Sprint("h", i%7), Claims: random(1 + rand.IntN(3)), QueueTTL: lease.MinEndedRetention,
		})
	}
	complete := 0
	for range 200 {
		o := rules.Overlap{Claims: random(manyClaims + rand.IntN(5)), Skip: fmt.Sprint("h", rand.IntN(7)), Limit: 1000}
		switch rand.IntN(3) {
		case 0:
			o.Skip = ""
		case 1:
			o.Shared = true
		}
		require.NoError(t, s.writer.Do(t.Context(), sqlitedb.Call{}, func(b *sqlitedb.Batch) error {
			tx := b.State.(*transaction)
			var leases []int64
			var waiters []rules.Place
			for _, c := range o.Claims {
				if leases, err = tx.leasesOne(leases, c, o, leasesOver); err != nil {
					return err
				}
				more, err := tx.places(c, o)
				if err != nil {
					return err
				}
				waiters = append(waiters, more...)
			}
			many, err := tx.leasesMany(o, leasesOver)
			require.NoError(t, err)
			require.ElementsMatch(t, leases, many)
			places, full, err := tx.placesMany(o)
			require.NoError(t, err)
			require.Subset(t, waiters, places)
			if !full {
				complete++
				require.Subset(t, places, waiters)
			}
			only := o
			only.Only, only.Skip = "h1", ""
			if many, err = tx.leasesMany(only, leasesOver); err != nil {
				return err
			}
			leases = nil
			for _, c := range only.Claims {
				if leases, err = tx.leasesOne(leases, c, only, leasesOver); err != nil {
					return err
				}
			}
			require.ElementsMatch(t, leases, many)
			return nil
		}))
	}
	require.NotZero(t, complete)
}
