package lease_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// watching counts the calls of Watch.
type watching struct {
	*manager
	watches atomic.Int32
}

func (w *watching) Watch(ctx context.Context, q lease.Query) iter.Seq2[lease.Event, error] {
	w.watches.Add(1)
	return w.manager.Watch(ctx, q)
}

// With Watch a loss is told at once, and one Watch serves all leases.
func TestWatchTellsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		w := &watching{manager: m}
		k := keeper(t, m, &lease.KeeperOptions{Watch: w})
		var all []*lease.Held
		for i := range 20 {
			all = append(all, keep(t, k, acquire(t, m, exclusive("a", fmt.Sprint(i), time.Hour)), nil))
		}
		synctest.Wait()
		ends := []struct {
			how  func(l lease.Lease) error
			want error
		}{
			{func(l lease.Lease) error {
				_, err := m.ForceRelease(t.Context(), lease.Query{ID: l.ID}, lease.Revocation{Actor: "operator", Reason: "stuck"})
				return err
			}, lease.ErrRevoked},
			{func(l lease.Lease) error { return m.Manager.Release(t.Context(), l.Ref()) }, lease.ErrReleased},
			{func(l lease.Lease) error { _, err := lease.Transfer(t.Context(), m, l, "b"); return err }, lease.ErrReplaced},
			{func(l lease.Lease) error { _, err := lease.Downgrade(t.Context(), m, l); return err }, lease.ErrReplaced},
		}
		for i, end := range ends {
			ctx, start, before := all[i].Context(), time.Now(), m.renewed()
			require.NoError(t, end.how(all[i].Lease()))
			<-ctx.Done()
			require.Less(t, time.Since(start), 300*time.Millisecond)
			require.Equal(t, before, m.renewed(), "no renewal found it out")
			require.ErrorIs(t, context.Cause(ctx), end.want)
			require.ErrorIs(t, context.Cause(ctx), lease.ErrLost)
			require.ErrorIs(t, all[i].Release(t.Context()), end.want)
		}
		require.ErrorContains(t, all[0].Err(), "by operator: stuck")
		for _, h := range all[len(ends):] {
			require.NoError(t, h.Err())
		}
		require.EqualValues(t, 1, w.watches.Load())
	})
}

// An end in the history that Replace made is no loss, nor is that of an older
// lease with the same ID.
func TestWatchAndReplace(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		k := keeper(t, m, &lease.KeeperOptions{Watch: m})
		h := keep(t, k, acquire(t, m, exclusive("a", "f", time.Minute)), nil)
		synctest.Wait()
		_, err := h.Replace(t.Context(), func(ctx context.Context, l lease.Lease) (lease.Lease, error) {
			got, err := lease.Downgrade(ctx, m, l)
			time.Sleep(5 * time.Second)
			return got, err
		})
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		require.NoError(t, h.Err())
		start := time.Now()
		_, err = m.ForceRelease(t.Context(), lease.Query{ID: h.Lease().ID}, lease.Revocation{Actor: "operator"})
		require.NoError(t, err)
		<-h.Context().Done()
		require.Less(t, time.Since(start), 300*time.Millisecond, "the successor is followed")
	})
}

// The Watch ends with the last lease, and comes back with the next.
func TestWatchEndsWhenIdle(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		w := &watching{manager: m}
		k := lease.NewKeeper(m, &lease.KeeperOptions{Watch: w}) // not closed: it has no goroutine
		for i := range 3 {
			h := keep(t, k, acquire(t, m, exclusive("a", "f", time.Second)), nil)
			time.Sleep(time.Minute)
			require.EqualValues(t, i+1, w.watches.Load())
			require.NoError(t, h.Release(t.Context()))
			synctest.Wait()
		}
	})
}

// following is a history that yields what it is given to each Watch, in turn.
type following struct {
	*manager
	watches chan iter.Seq2[lease.Event, error]
}

func (f following) Watch(ctx context.Context, _ lease.Query) iter.Seq2[lease.Event, error] {
	return func(yield func(lease.Event, error) bool) {
		select {
		case watch := <-f.watches:
			watch(yield)
		case <-ctx.Done():
			yield(lease.Event{}, ctx.Err())
		}
	}
}

// The end of another lease that had the same ID is not the end of this one.
func TestWatchKnowsTheToken(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		w := following{m, make(chan iter.Seq2[lease.Event, error], 1)}
		h := keep(t, keeper(t, m, &lease.KeeperOptions{Watch: w}), acquire(t, m, exclusive("a", "f", time.Minute)), nil)
		older := h.Lease()
		older.Status, older.EndReason = lease.Released, lease.EndReleased
		older.Token--
		w.watches <- func(yield func(lease.Event, error) bool) {
			yield(lease.Event{Kind: lease.KindReleased, Lease: older}, nil)
		}
		synctest.Wait()
		require.Empty(t, w.watches)
		require.NoError(t, h.Err())
	})
}

// A Watch that has missed events is begun anew.
func TestWatchFallsBehind(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		w := following{m, make(chan iter.Seq2[lease.Event, error], 2)}
		w.watches <- func(yield func(lease.Event, error) bool) { yield(lease.Event{}, lease.ErrTrimmed) }
		h := keep(t, keeper(t, m, &lease.KeeperOptions{Watch: w}), acquire(t, m, exclusive("a", "f", time.Minute)), nil)
		synctest.Wait()
		ended := h.Lease()
		ended.Status, ended.EndReason = lease.Released, lease.EndRevoked
		w.watches <- func(yield func(lease.Event, error) bool) {
			yield(lease.Event{Kind: lease.KindRevoked, Lease: ended, Actor: "root"}, nil)
		}
		synctest.Wait()
		require.ErrorIs(t, h.Err(), lease.ErrRevoked)
	})
}
