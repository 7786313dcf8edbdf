package etcdbackend

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// cut cuts a member off from the others, but not from clients; mend ends that.
func (c *cluster) cut(i int) (mend func()) {
	for j := range c.members {
		if j != i {
			c.members[i].Server.CutPeer(c.members[j].Server.MemberID())
			c.members[j].Server.CutPeer(c.members[i].Server.MemberID())
		}
	}
	return func() {
		for j := range c.members {
			if j != i {
				c.members[i].Server.MendPeer(c.members[j].Server.MemberID())
				c.members[j].Server.MendPeer(c.members[i].Server.MemberID())
			}
		}
	}
}

// TestMemberCutOff: the leader is cut off from the other members, not from
// clients. Who knows only that one is granted nothing, sees nothing old, and has
// lost what it held before another is granted that. Who knows all goes on.
func TestMemberCutOff(t *testing.T) {
	t.Parallel()
	const holders = 10
	c := three(t)
	leads := c.leader()
	require.GreaterOrEqual(t, leads, 0)
	o := &Options{MaxSkew: 200 * time.Millisecond}
	cut, err := New(t.Context(), connect(t, c.hosts()[leads]), o)
	require.NoError(t, err)
	defer cut.Close()
	other, err := New(t.Context(), connect(t, c.hosts()...), o)
	require.NoError(t, err)
	defer other.Close()
	keeper := lease.NewKeeper(cut, nil)
	defer keeper.Close()
	var kept [holders]*lease.Held
	for i := range kept {
		l, err := cut.TryAcquire(t.Context(), lease.Request{Holder: fmt.Sprint("h", i), Claims: lease.Paths(fmt.Sprint(i)), TTL: partitionTTL})
		require.NoError(t, err)
		kept[i], err = keeper.Keep(t.Context(), l, nil)
		require.NoError(t, err)
	}

	mend := c.cut(leads)
	var all sync.WaitGroup
	for i := range kept {
		all.Go(func() {
			r := request(fmt.Sprint("next", i), fmt.Sprint(i))
			r.Timeout = time.Minute
			_, err := other.Acquire(t.Context(), r)
			if err != nil {
				t.Error(err)
			}
			if kept[i].Context().Err() == nil {
				t.Errorf("%d was granted before its holder had lost its context", i)
			}
		})
	}
	all.Go(func() {
		_, err := other.TryAcquire(t.Context(), request("free", "free"))
		if err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = cut.Stats(ctx)
	require.Error(t, err, "what it would see is old")
	begin := time.Now()
	_, err = cut.TryAcquire(t.Context(), request("x", "y"))
	require.ErrorIs(t, err, lease.ErrUnavailable)
	t.Logf("the call failed after %v", time.Since(begin))
	all.Wait()
	mend()
	require.Eventually(t, func() bool {
		_, err := cut.TryAcquire(t.Context(), request("x", "y"))
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	for i := range kept {
		_, err := cut.TryAcquire(t.Context(), request("late", fmt.Sprint(i)))
		require.ErrorIs(t, err, lease.ErrConflict)
	}
	conformance.Check(t, cut)
}
