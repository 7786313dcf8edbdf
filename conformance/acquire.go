package conformance

import (
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// acquireCases: what TryAcquire grants and refuses.
var acquireCases = []testCase{
	{"Acquire/FreePath", "a path that nobody holds is granted at once, with a token and an expiry", func(h *harness) {
		l := h.acquire(h.M, lease.Request{Holder: "a", Claims: lease.Paths("f"), TTL: h.units(5)})
		require.NotZero(h, l.Token)
		require.True(h, l.Valid())
	}},
	{"Acquire/HeldPath", "a path held exclusively is refused to another holder, who learns who is in the way", func(h *harness) {
		h.acquire(h.M, lease.Request{Holder: "a", Claims: lease.Paths("f"), TTL: h.units(5)})
		conflict := h.refused(h.M, lease.Request{Holder: "b", Claims: lease.Paths("f"), TTL: h.units(5)})
		require.Len(h, conflict.Blockers, 1)
		require.Equal(h, "a", conflict.Blockers[0].Holder)
	}},
}
