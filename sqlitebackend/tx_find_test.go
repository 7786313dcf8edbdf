package sqlitebackend

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// What the first operation of a batch has read for the others is not what they
// find if one in between has changed it.
func TestReadAheadIsCurrent(t *testing.T) {
	s, err := OpenStore(t.Context(), newPath(t), &quick)
	require.NoError(t, err)
	m := backend.New(s, nil)
	defer func() { require.NoError(t, m.Close()) }()
	request := func(id lease.ID) lease.Request {
		return lease.Request{ID: id, Holder: "h", Claims: lease.Paths(string(id)), TTL: time.Hour}
	}
	held := make(map[lease.ID]lease.Lease)
	for _, id := range []lease.ID{"renewed", "released", "revoked", "replaced"} {
		held[id], err = m.TryAcquire(t.Context(), request(id))
		require.NoError(t, err)
	}
	renew := func(id lease.ID, renewals int) func() error {
		return func() error {
			l, err := m.Renew(t.Context(), held[id].Ref(), 0)
			if err == nil && l.Renewals != renewals {
				return fmt.Errorf("%d renewals", l.Renewals)
			}
			return err
		}
	}
	acquire := func(r lease.Request) func() error {
		return func() error { _, err := m.TryAcquire(t.Context(), r); return err }
	}
	release := func(id lease.ID) func() error {
		return func() error { return m.Release(t.Context(), held[id].Ref()) }
	}
	revoke := func(id lease.ID) func() error {
		return func() error {
			_, err := m.ForceRelease(t.Context(), lease.Query{ID: id}, lease.Revocation{Actor: "test"})
			return err
		}
	}
	successor := request("successor")
	successor.Claims, successor.Replace = held["replaced"].Claims, held["replaced"].Ref()

	require.NotContains(t, s.writer.Statements(), s.queries[findMany])
	got := callTogether(t, s.writer,
		renew("renewed", 1), renew("renewed", 2),
		release("released"), renew("released", 0), acquire(request("released")),
		acquire(request("new")), acquire(request("new")),
		revoke("revoked"), acquire(request("revoked")), // a renewal would go first
		acquire(successor), acquire(successor), // finds what it replaces in between
	)
	require.Contains(t, s.writer.Statements(), s.queries[findMany])
	for i, want := range []error{
		nil, nil,
		nil, lease.ErrReleased, lease.ErrReleased,
		nil, nil,
		nil, lease.ErrRevoked,
		nil, nil,
	} {
		require.ErrorIs(t, got[i], want, i)
	}
	checkState(t, s)
}
