package conformance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// TestParityRaisesNoFalseAlarm plays scripts at which Parity once took a sound
// store for a defective one.
func TestParityRaisesNoFalseAlarm(t *testing.T) {
	ask := func(number int, v verb, holder string, place time.Duration, claims ...lease.Claim) instruction {
		return instruction{number: number, verb: v, place: place, request: lease.Request{
			Holder: holder, Claims: claims, TTL: 20*step + step/2, MaxRenewals: lease.Unlimited,
		}}
	}
	shared := lease.Claim{Path: "d", Mode: lease.Shared}
	reuse := ask(4, doReuse, "h1", 0, shared)
	reuse.target = 2
	for name, script := range map[string][]instruction{
		"a caller that withdrew its attempt is not woken for another request with its ID": {
			ask(1, doWait, "h1", 10*step+step/2, shared),
			ask(2, doWait, "h2", 10*step+step/2, lease.Claim{Path: "d"}),
			{number: 3, verb: doWithdraw, target: 2},
			reuse,
		},
	} {
		require.Empty(t, compare(t, sound, script), name)
	}
}
