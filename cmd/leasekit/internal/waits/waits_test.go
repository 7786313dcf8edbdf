package waits_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/waits"
	"github.com/leasekit/leasekit/lease"
)

// Who is in the way is the store's to decide; the leases that are shown must be
// the same.
func TestLeasesInTheWayAreWhatTheStoreSays(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		m := memory.New(nil)
		claim := func() []lease.Claim {
			path := []string{"a", "a/b", "a/b/c", "d", "/"}[random.IntN(5)]
			return []lease.Claim{{Path: path, Mode: lease.Mode(random.IntN(2)), Scope: lease.Scope(random.IntN(2))}}
		}
		holder := func() string { return fmt.Sprintf("h%d", random.IntN(5)) }
		var parents []lease.Lease
		parent := func(claims []lease.Claim) lease.Ref {
			for _, l := range parents {
				if random.IntN(2) == 0 && lease.Covers(l.Claims[0], claims[0].Path) && l.Claims[0].Scope == lease.Tree && l.Claims[0].Mode == lease.Exclusive {
					return l.Ref()
				}
			}
			return lease.Ref{}
		}
		for i := range 12 {
			r := lease.Request{
				ID: lease.ID(fmt.Sprint(i)), Holder: holder(), Claims: claim(), QueueTTL: time.Minute,
				Distinct: random.IntN(8) == 0, Priority: random.IntN(3),
			}
			r.Parent = parent(r.Claims)
			l, err := m.TryAcquire(t.Context(), r)
			if err == nil {
				parents = append(parents, l)
			} else if !errors.Is(err, lease.ErrConflict) {
				require.NoError(t, err)
			}
		}
		s, err := waits.Take(t.Context(), m)
		require.NoError(t, err)
		for range 5 {
			r := lease.Request{Holder: holder(), Claims: claim(), Distinct: random.IntN(8) == 0}
			r.Parent = parent(r.Claims)
			shown := ids(s.InTheWay(waits.Asker{Holder: r.Holder, Claims: r.Claims, Distinct: r.Distinct, Parent: r.Parent.ID}))
			_, err := m.TryAcquire(t.Context(), r)
			if err == nil {
				require.Empty(t, shown, "seed %d: %+v", seed, r)
				s, err = waits.Take(t.Context(), m)
				require.NoError(t, err)
				continue
			}
			var conflict *lease.ConflictError
			require.ErrorAs(t, err, &conflict)
			var blockers []lease.ID
			for _, b := range conflict.Blockers {
				blockers = append(blockers, b.ID)
			}
			slices.Sort(blockers)
			require.Equal(t, slices.Compact(blockers), shown, "seed %d: %+v", seed, r)
		}
		require.NoError(t, m.Close())
	}
}

func ids(blockers []waits.Blocker) []lease.ID {
	var all []lease.ID
	for _, b := range blockers {
		all = append(all, b.Lease.ID)
	}
	slices.Sort(all)
	return all
}

func TestWhyMarksACycle(t *testing.T) {
	active := func(id lease.ID, holder, path string) lease.Lease {
		return lease.Lease{ID: id, Holder: holder, Claims: lease.Paths(path), Status: lease.Active}
	}
	waiting := func(id lease.ID, holder, path string) lease.Lease {
		return lease.Lease{ID: id, Holder: holder, Claims: lease.Paths(path), Status: lease.Pending}
	}
	s := waits.Snapshot{
		Active:  []lease.Lease{active("1", "A", "a"), active("2", "B", "b")},
		Waiting: []lease.Lease{waiting("3", "A", "b"), waiting("4", "B", "a")},
	}
	n := s.Why(s.Waiting[0])
	var holders []string
	for !n.Again {
		holders = append(holders, n.Lease.Holder)
		require.Len(t, n.Next, 1)
		n = n.Next[0]
	}
	require.Equal(t, []string{"A", "B", "B", "A"}, holders)
	require.Equal(t, lease.ID("3"), n.Lease.ID)
	require.Len(t, s.For(s.Active[0]), 1)
	require.Equal(t, 1, s.Place(waits.Of(s.Waiting[0])))
}

func TestAManySidedChainIsBounded(t *testing.T) {
	var s waits.Snapshot
	for i := range 2000 {
		s.Waiting = append(s.Waiting, lease.Lease{
			ID: lease.ID(fmt.Sprint(i)), Holder: fmt.Sprint("h", i), Claims: lease.Paths("a"), Status: lease.Pending,
		})
	}
	began := time.Now()
	n := s.Why(s.Waiting[1999])
	require.Less(t, time.Since(began), time.Minute)
	require.NotEmpty(t, n.Next)
}
