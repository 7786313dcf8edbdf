package backend_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// pages answers List from three pages of two leases, the second of them empty.
func pages(_ lease.Query, cursor string) (backend.ListReply, error) {
	switch cursor {
	case "":
		return backend.ListReply{Leases: []lease.Lease{{ID: "1"}, {ID: "2"}}, Next: "x"}, nil
	case "x":
		return backend.ListReply{Next: "y"}, nil
	}
	return backend.ListReply{Leases: []lease.Lease{{ID: "3"}, {ID: "4"}}}, nil
}

func ids(t *testing.T, m lease.Inspector, q lease.Query) []lease.ID {
	var all []lease.ID
	for l, err := range m.List(t.Context(), q) {
		require.NoError(t, err)
		all = append(all, l.ID)
	}
	return all
}

func TestListPages(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.list = pages
		require.Equal(t, []lease.ID{"1", "2", "3", "4"}, ids(t, m, lease.Query{}))
		require.Equal(t, []lease.ID{"1", "2", "3"}, ids(t, m, lease.Query{Limit: 3}))
		all := m.List(t.Context(), lease.Query{Limit: 1})
		for range 2 { // an iterator may be used again
			for l, err := range all {
				require.NoError(t, err)
				require.Equal(t, lease.ID("1"), l.ID)
			}
		}
	})
}

func TestListYieldsOneErrorLast(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.list = func(q lease.Query, cursor string) (backend.ListReply, error) {
			if cursor != "" {
				return backend.ListReply{}, errDown
			}
			return pages(q, cursor)
		}
		var errs []error
		for _, err := range m.List(t.Context(), lease.Query{}) {
			errs = append(errs, err)
		}
		require.Len(t, errs, 3)
		require.NoError(t, errs[1])
		require.ErrorIs(t, errs[2], lease.ErrUnavailable)

		// A context that ends between two pages.
		s.list = pages
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range m.List(ctx, lease.Query{}) {
			cancel()
			last = err
		}
		require.ErrorIs(t, last, context.Canceled)
	})
}

func TestListCleansTheQuery(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.list = func(q lease.Query, _ string) (backend.ListReply, error) {
			require.Equal(t, "a/b", q.Path)
			require.Equal(t, lease.Root, q.Under)
			return backend.ListReply{}, nil
		}
		require.Empty(t, ids(t, m, lease.Query{Path: "/a//b", Under: "."}))
		for _, q := range []lease.Query{
			{Path: ".."}, {Under: "a\x00"}, {Status: []lease.Status{9}}, {Kinds: []lease.Kind{"made up"}}, {Limit: -1}, {Holder: "\xff"}, {ID: "\x00"},
		} {
			for _, err := range m.List(t.Context(), q) {
				require.ErrorIs(t, err, lease.ErrInvalid)
			}
			for _, err := range m.History(t.Context(), q) {
				require.ErrorIs(t, err, lease.ErrInvalid)
			}
			for _, err := range m.Watch(t.Context(), q) {
				require.ErrorIs(t, err, lease.ErrInvalid)
			}
			_, err := m.ForceRelease(t.Context(), q, lease.Revocation{Actor: "ops"})
			require.ErrorIs(t, err, lease.ErrInvalid)
		}
	})
}

func TestGet(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.list = func(q lease.Query, _ string) (backend.ListReply, error) {
			if q.ID == "known" {
				return backend.ListReply{Leases: []lease.Lease{{ID: q.ID, Status: lease.Expired}}}, nil
			}
			return backend.ListReply{}, nil
		}
		l, err := m.Get(t.Context(), "known")
		require.NoError(t, err)
		require.Equal(t, lease.Expired, l.Status)
		_, err = m.Get(t.Context(), "unknown")
		require.ErrorIs(t, err, lease.ErrNotFound)
		_, err = m.Get(t.Context(), "")
		require.ErrorIs(t, err, lease.ErrInvalid)
	})
}

func TestListMeasures(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		now := time.Now().Add(-time.Hour) // the store's clock is another one
		active := lease.Lease{ID: "active", Status: lease.Active, TTL: time.Minute, ExpiresAt: now.Add(30 * time.Second)}
		s.list = func(lease.Query, string) (backend.ListReply, error) {
			time.Sleep(time.Second)
			return backend.ListReply{Leases: []lease.Lease{active}, Now: now}, nil
		}
		l, err := m.Get(t.Context(), "active")
		require.NoError(t, err)
		require.Equal(t, 29*time.Second-lease.Margin(30*time.Second), l.Remaining(), "counted from the start of the call")
	})
}

func TestForceRelease(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		ops := lease.Revocation{Actor: "ops", Reason: "crashed"}
		var limits []int
		s.force = func(a backend.ForceArgs) (backend.ForceReply, error) {
			require.Equal(t, ops, a.Revocation)
			limits = append(limits, a.Query.Limit)
			return backend.ForceReply{
				Outcome: []backend.Outcome{backend.Again, backend.Done}[min(len(limits)-1, 1)],
				Leases:  []lease.Lease{{ID: "1"}, {ID: "2"}},
			}, nil
		}
		ended, err := m.ForceRelease(t.Context(), lease.Query{Holder: "h"}, ops)
		require.NoError(t, err)
		require.Len(t, ended, 4)
		limits = nil
		_, err = m.ForceRelease(t.Context(), lease.Query{All: true, Limit: 4}, ops)
		require.NoError(t, err)
		require.Equal(t, []int{4, 2}, limits)
		limits = nil
		_, err = m.ForceRelease(t.Context(), lease.Query{All: true, Limit: 2}, ops)
		require.NoError(t, err)
		require.Equal(t, []int{2}, limits)

		s.force = func(backend.ForceArgs) (backend.ForceReply, error) {
			return backend.ForceReply{Outcome: backend.TreeOnly, Tree: lease.Claim{Path: "a", Scope: lease.Tree}}, nil
		}
		_, err = m.ForceRelease(t.Context(), lease.Query{Path: "a/b"}, ops)
		require.EqualError(t, err, "lease: invalid path: the tree a/** is reached only through Path; name it by ID, Holder or Under")

		for _, bad := range []struct {
			query lease.Query
			force lease.Revocation
		}{{lease.Query{}, ops}, {lease.Query{Limit: 1}, ops}, {lease.Query{Holder: "h"}, lease.Revocation{}}, {lease.Query{Holder: "h"}, lease.Revocation{Actor: "a", Reason: "\xff"}}} {
			_, err := m.ForceRelease(t.Context(), bad.query, bad.force)
			require.ErrorIs(t, err, lease.ErrInvalid)
		}
	})
}

func TestForceReleaseThatFailsMidway(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		calls := 0
		s.force = func(backend.ForceArgs) (backend.ForceReply, error) {
			if calls++; calls > 1 {
				return backend.ForceReply{}, errDown
			}
			return backend.ForceReply{Outcome: backend.Again, Leases: []lease.Lease{{ID: "1"}}}, nil
		}
		ended, err := m.ForceRelease(t.Context(), lease.Query{All: true}, lease.Revocation{Actor: "ops"})
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.Len(t, ended, 1, "what was ended is told")
	})
}

func TestStats(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.stats = func() (lease.Stats, error) { return lease.Stats{Active: 3, Now: time.Now()}, nil }
		stats, err := m.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, 3, stats.Active)
		s.stats = func() (lease.Stats, error) { return lease.Stats{}, errDown }
		_, err = m.Stats(t.Context())
		require.ErrorIs(t, err, lease.ErrUnavailable)
	})
}
