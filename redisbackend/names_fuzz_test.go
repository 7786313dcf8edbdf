package redisbackend_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// FuzzNames proves that names are just names: what they contain comes back unchanged, and reaches neither another path
// nor another namespace.
func FuzzNames(f *testing.F) {
	f.Add("a/b", "holder", "id", "label", "n")
	f.Add("a:b{c}", "h\n1 2", "{id}", "%z[^%z]*", "default}:")
	f.Add("*?[a-z]\\", "(h", "[p+", "\x01\x7f", "{}")
	f.Add(strings.Repeat("ü/", 100)+"x", "持有者", "e-1:2", "'\"]]--", "%7D")
	f.Add("f", "a- 1 2 3", "rr 0", "g 1 2", "default:records")
	f.Add(strings.Repeat("p", lease.MaxPathBytes), strings.Repeat("h", lease.MaxHolderBytes), strings.Repeat("i", lease.MaxIDBytes), "", "")
	f.Fuzz(func(t *testing.T, path, holder, id, label, namespace string) {
		synctest.Test(t, func(t *testing.T) {
			server := redistest.Mini(t)
			m := manage(t, server.Client(), nil)
			elsewhere := manage(t, server.Client(), &redisbackend.Options{Namespace: "x" + namespace})
			r := request(holder, path)
			r.ID, r.Labels = lease.ID(id), map[string]string{"l" + label: label}
			l, err := m.TryAcquire(t.Context(), r)
			if err != nil {
				require.ErrorIs(t, err, lease.ErrInvalid)
				return
			}
			got, err := m.Get(t.Context(), l.ID)
			require.NoError(t, err)
			require.Equal(t, l.Claims, got.Claims)
			require.Equal(t, r.Holder, got.Holder)
			require.Equal(t, r.Labels, got.Labels)

			other := request(holder+"2", path)
			_, err = m.TryAcquire(t.Context(), other)
			if !errors.Is(err, lease.ErrInvalid) { // its holder may be too long
				require.ErrorIs(t, err, lease.ErrConflict)
			}
			if beside, err := lease.CleanPath(path + "x"); err == nil && l.Claims[0].Path != lease.Root {
				_, err = m.TryAcquire(t.Context(), request("beside", beside))
				require.NoError(t, err)
			}
			_, err = elsewhere.TryAcquire(t.Context(), request("elsewhere", path))
			require.NoError(t, err)
			require.NoError(t, m.Release(t.Context(), l.Ref()))
		})
	})
}
