package memory

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

func ask(t *testing.T, s *Store, holder string, place time.Duration, claims ...lease.Claim) backend.AcquireReply {
	t.Helper()
	id := lease.NewID()
	reply, err := s.Acquire(t.Context(), backend.AcquireArgs{
		Request: lease.Request{ID: id, Holder: holder, Claims: claims, TTL: time.Hour, MaxRenewals: lease.Unlimited},
		Attempt: string(id), PlaceTTL: place, ConfigVersion: 1,
	})
	require.NoError(t, err)
	return reply
}

// TestGoneWaiterIsPassedAtOnce: a closed handle's waiters lapse when they are in
// somebody's way, at that moment; a place with a QueueTTL is the client's.
func TestGoneWaiterIsPassedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStore()
		dead, alive := s.Another(), s.Another()
		held := ask(t, s, "a", 0, lease.Paths("f")...)
		waiter := ask(t, dead, "b", time.Hour, lease.Paths("f")...)
		require.Equal(t, backend.Queued, waiter.Outcome)
		behind := ask(t, alive, "c", time.Hour, lease.Paths("f")...)
		hint, stop := alive.Subscribe(behind.Lease.ID)
		defer stop()
		require.NoError(t, dead.Close())
		_, err := s.Release(t.Context(), backend.ReleaseArgs{Ref: held.Lease.Ref()})
		require.NoError(t, err)
		select {
		case <-hint:
		default:
			t.Error("the next one was not woken")
		}
		events, err := s.Events(t.Context(), backend.EventsArgs{Query: lease.Query{ID: waiter.Lease.ID}, Limit: 10})
		require.NoError(t, err)
		last := events.Events[len(events.Events)-1]
		require.Equal(t, lease.KindLapsed, last.Kind)
		require.True(t, last.At.Equal(time.Now()))
	})
}

// misread is a transaction whose Select takes no notice of where to go on.
type misread struct{ *transaction }

func (m misread) Select(q lease.Query, _ int64, limit int) ([]*rules.Record, error) {
	return m.transaction.Select(q, 0, limit)
}

// forgetful is one whose Select takes no notice of the query.
type forgetful struct{ *transaction }

func (f forgetful) Select(_ lease.Query, after int64, limit int) ([]*rules.Record, error) {
	return f.transaction.Select(lease.Query{}, after, limit)
}

func TestForceBySloppyStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStore()
		for i := range 150 {
			ask(t, s, fmt.Sprintf("h%d", i), 0, lease.SharedPaths("f")...)
		}
		ask(t, s, "other", 0, lease.Paths("g")...)
		args := backend.ForceArgs{Query: lease.Query{Path: "f"}, Op: "op"}
		step, err := rules.Begin(misread{&transaction{namespace: s.namespace}})
		require.NoError(t, err)
		_, err = step.Force(args)
		require.ErrorContains(t, err, "the store selected")

		step, err = rules.Begin(forgetful{&transaction{namespace: s.namespace}})
		require.NoError(t, err)
		args.Query = lease.Query{Holder: "h7"}
		reply, err := step.Force(args)
		require.NoError(t, err)
		require.Len(t, reply.Leases, 1)
		require.Equal(t, "h7", reply.Leases[0].Holder)
	})
}
