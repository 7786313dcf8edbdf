package lease_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// universe is every path that the property test knows; "zz" stands for all that
// no claim names.
var universe = []string{"/", "a", "ab", "a/b", "a/b/c", "a/bc", "b", "b/a", "zz", "a/zz", "a/b/zz", "a/b/c/zz"}

func claimOf(n uint8) lease.Claim {
	return lease.Claim{Path: universe[:8][n&7], Mode: lease.Mode(n >> 3 & 1), Scope: lease.Scope(n >> 4 & 1)}
}

// FuzzConflict: conflict is symmetric, and true whenever some path is reached by
// both claims and one of them is exclusive.
func FuzzConflict(f *testing.F) {
	for n := range 32 {
		for m := range 32 {
			f.Add(uint8(n), uint8(m))
		}
	}
	f.Fuzz(func(t *testing.T, n, m uint8) {
		a, b := claimOf(n), claimOf(m)
		both := false
		for _, path := range universe {
			both = both || lease.Covers(a, path) && lease.Covers(b, path)
		}
		require.Equal(t, both && (a.Mode == lease.Exclusive || b.Mode == lease.Exclusive), lease.Conflict(a, b))
		require.Equal(t, lease.Conflict(a, b), lease.Conflict(b, a))
	})
}

func TestJSON(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	l := lease.Lease{
		ID: "i", Token: 1 << 60, Holder: "h", Claims: lease.SharedTrees("a"), Status: lease.Released, EndReason: lease.EndReplaced,
		TTL: 90 * time.Second, Renewals: 2, MaxRenewals: lease.NoRenewals, Labels: map[string]string{"k": "v"}, CreatedAt: at, ExpiresAt: at,
		Replaced: "old", ReplacedBy: "new", Parent: "above", Revoked: lease.Revocation{Actor: "root", Reason: "stuck"},
		GrantedAt: at.Add(time.Second), UpdatedAt: at.Add(time.Minute), Waited: time.Second, Distinct: true, Priority: -3,
		Contention: lease.Contention{Waiters: 2, Priority: 1, Since: at},
	}
	text, err := json.Marshal(l)
	require.NoError(t, err)
	require.Contains(t, string(text), `"ttl":"1m30s"`)
	require.Contains(t, string(text), `"mode":"shared","scope":"tree"`)
	require.Contains(t, string(text), `"status":"released"`)
	var back lease.Lease
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, l, back)
	require.False(t, back.Valid())

	config := lease.DefaultConfig()
	text, err = json.Marshal(config)
	require.NoError(t, err)
	var same lease.Config
	require.NoError(t, json.Unmarshal(text, &same))
	require.Equal(t, config, same)
	var old lease.Config // of a time when there was no keep_ttl
	require.NoError(t, json.Unmarshal([]byte(`{"default_ttl":"1m0s"}`), &old))
	require.Equal(t, config.KeepTTL, old.KeepTTL)
	require.ErrorIs(t, json.Unmarshal([]byte(`"odd"`), new(lease.Mode)), lease.ErrInvalid)
}
