package conformance

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
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
	renew := func(number, target int, ttl time.Duration) instruction {
		return instruction{number: number, verb: doRenew, target: target, ttl: ttl}
	}
	child := ask(2, doUnder, "h2", 0, lease.Claim{Path: "d"})
	child.target = 1
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
		"a sub-lease keeps at a renewal what it had before its parent was shortened": {
			ask(1, doTry, "h1", 0, lease.Claim{Path: "d"}),
			child,
			renew(3, 1, 10*step+step/2),
			renew(4, 2, 0),
		},
	} {
		require.Empty(t, compare(t, sound, script), name)
	}
}

// lateHints is a store whose hints arrive late, as those of one do that looks for
// them now and then.
type lateHints struct{ backend.Store }

func (s lateHints) Subscribe(id lease.ID) (hint <-chan struct{}, stop func()) {
	inner, unsubscribe := s.Store.Subscribe(id)
	outer, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		for {
			select {
			case <-inner:
			case <-done:
				return
			}
			select {
			case <-time.After(4 * step / 5):
			case <-done:
				return
			}
			select {
			case outer <- struct{}{}:
			default:
			}
		}
	}()
	return outer, sync.OnceFunc(func() {
		close(done)
		unsubscribe()
	})
}

// TestParityWaitsForLateHints: that a hint takes most of a step is no difference.
func TestParityWaitsForLateHints(t *testing.T) {
	late := func(t testing.TB) Fixture {
		f := sound(t)
		open := f.Open
		f.Open = func(t testing.TB) backend.Store { return lateHints{open(t)} }
		return f
	}
	for seed := range uint64(20) {
		require.Empty(t, compare(t, late, script(seed, false)), "seed %d", seed)
	}
}
