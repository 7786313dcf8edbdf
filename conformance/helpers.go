package conformance

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// RunHelpers checks that what package lease builds on a Manager ([lease.Do],
// [lease.Keeper], [lease.Upgrade], [lease.Verify], ...) keeps its promises on
// the store that newFixture makes, also when calls of the store fail, hang or lose
// their replies. [Run] checks the store itself.
func RunHelpers(t *testing.T, newFixture func(testing.TB) Fixture) {
	runCases(t, helperCases(), newFixture)
}

// helperCases returns all cases of RunHelpers.
func helperCases() []testCase {
	return slices.Concat(
		doCases,
		keeperCases,
		lossCases,
		shutdownCases,
		changeCases,
		verifyCases,
	)
}

// short is the TTL of leases that are kept: long enough for a busy machine to
// renew in time, short enough to see many renewals.
const short = 10 // units

// shortly returns a request with a short TTL.
func (h *harness) shortly(holder string, claims []lease.Claim) lease.Request {
	r := h.request(holder, claims)
	r.TTL = h.units(short)
	return r
}

// keeper returns a Keeper that is closed at the end.
func (h *harness) keeper(m lease.Acquirer) *lease.Keeper {
	k := lease.NewKeeper(m, nil)
	h.Cleanup(k.Close)
	return k
}

// keep has the request granted and kept.
func (h *harness) keep(k *lease.Keeper, m lease.Acquirer, r lease.Request, o *lease.KeepOptions) *lease.Held {
	h.Helper()
	held, err := k.Keep(h.Context(), h.acquire(m, r), o)
	require.NoError(h, err)
	return held
}

// free requires that nobody holds the path.
func (h *harness) free(path string) {
	h.Helper()
	locked, err := lease.IsLocked(h.Context(), h.M, path)
	require.NoError(h, err)
	require.False(h, locked, "%q is held", path)
}
