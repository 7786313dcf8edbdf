package rowtext

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// What AppendLease writes by hand, ReadLease reads: every field, and none at all.
func TestLeaseRoundTrip(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	full := lease.Lease{
		ID: "id", Token: 1 << 62, Holder: "a \"b\"\n\\ ä\u2028 <c>", Claims: lease.Trees("x", `y"`), Status: lease.Released,
		EndReason: lease.EndRevoked, TTL: 1500 * time.Millisecond, Renewals: 3, MaxRenewals: lease.Unlimited, Priority: -7,
		Distinct: true, Labels: map[string]string{"k": `v"`, "": "\x00"}, Replaced: "p", ReplacedBy: "q",
		Revoked:   lease.Revocation{Actor: "op", Reason: "why?"},
		CreatedAt: at(1000), GrantedAt: at(2000), ExpiresAt: at(3000), UpdatedAt: at(4000), Waited: time.Second,
	}
	least := lease.Lease{ID: "id", Holder: "h", Claims: lease.Paths("x"), Status: lease.Pending}
	for _, l := range []lease.Lease{full, least} {
		text, err := AppendLease(nil, &l)
		require.NoError(t, err)
		got, err := ReadLease("id", text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, l, got, "%s", text)
	}
}
