package lease_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func shared(holder string, paths ...string) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.SharedPaths(paths...), TTL: time.Minute, Timeout: lease.NoTimeout}
}

func TestUpgradeKeepsTheTerms(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		r := shared("a", "f", "g")
		r.Priority, r.MaxRenewals, r.Labels = 5, 4, map[string]string{"why": "test"}
		l := acquire(t, m, r)
		l, err := m.Renew(t.Context(), l.Ref(), 0)
		require.NoError(t, err)
		up, err := lease.Upgrade(t.Context(), m, l)
		require.NoError(t, err)
		require.Equal(t, lease.Paths("f", "g"), up.Claims)
		require.Equal(t, l.ID, up.Replaced)
		require.Greater(t, up.Token, l.Token)
		require.Equal(t, []any{time.Minute, 5, 3, r.Labels, "a"}, []any{up.TTL, up.Priority, up.MaxRenewals, up.Labels, up.Holder})
		require.True(t, up.Valid())

		_, err = m.Renew(t.Context(), l.Ref(), 0)
		require.ErrorIs(t, err, lease.ErrReplaced)
		require.Equal(t, lease.SharedPaths("f", "g"), l.Claims, "the argument is as it was")
		_, err = lease.Upgrade(t.Context(), m, l)
		require.ErrorIs(t, err, lease.ErrReplaced, "with a stale lease")
	})
}

func TestUsedUpRenewalsStayUsedUp(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		r := shared("a", "f")
		r.MaxRenewals = 1
		l := acquire(t, m, r)
		l, err := m.Renew(t.Context(), l.Ref(), 0)
		require.NoError(t, err)
		up, err := lease.Upgrade(t.Context(), m, l)
		require.NoError(t, err)
		_, err = m.Renew(t.Context(), up.Ref(), 0)
		require.ErrorIs(t, err, lease.ErrRenewalLimit)
	})
}

func TestUpgradeWaitsForReaders(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		a, b := acquire(t, m, shared("a", "f")), acquire(t, m, shared("b", "f"))
		done := make(chan error)
		go func() {
			_, err := lease.Upgrade(t.Context(), m, a)
			done <- err
		}()
		synctest.Wait()
		requireShared(t, m, "a", "f")
		require.NoError(t, m.Release(t.Context(), b.Ref()))
		require.NoError(t, <-done)
		requireHeld(t, m, "a", "f")
	})
}

// requireShared requires that the holder still has its lease.
func requireShared(t *testing.T, m lease.Manager, holder, path string) {
	t.Helper()
	held, err := lease.HoldsLease(t.Context(), m, holder, path)
	require.NoError(t, err)
	require.True(t, held)
}

// Two upgraders do not wait for each other.
func TestTwoUpgraders(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		a, b := acquire(t, m, shared("a", "f")), acquire(t, m, shared("b", "f"))
		done := make(chan error)
		go func() {
			_, err := lease.Upgrade(t.Context(), m, a)
			done <- err
		}()
		synctest.Wait()
		start := time.Now()
		_, err := lease.Upgrade(t.Context(), m, b)
		require.ErrorIs(t, err, lease.ErrDeadlock)
		require.Zero(t, time.Since(start))
		requireShared(t, m, "b", "f")
		require.NoError(t, m.Release(t.Context(), b.Ref()))
		require.NoError(t, <-done)
	})
}

func TestChangeOfSomePaths(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		ctx := t.Context()
		l := acquire(t, m, shared("a", "f", "g"))
		l, err := lease.Upgrade(ctx, m, l, "./g")
		require.NoError(t, err)
		require.Equal(t, []lease.Claim{{Path: "f", Mode: lease.Shared}, {Path: "g"}}, l.Claims)
		l, err = lease.Downgrade(ctx, m, l)
		require.NoError(t, err)
		require.Equal(t, lease.SharedPaths("f", "g"), l.Claims)
		l, err = lease.Shrink(ctx, m, l, "f")
		require.NoError(t, err)
		require.Equal(t, lease.SharedPaths("g"), l.Claims)
		requireFree(t, m, "f")

		for name, call := range map[string]func() (lease.Lease, error){
			"everything":       func() (lease.Lease, error) { return lease.Shrink(ctx, m, l, "g") },
			"nothing":          func() (lease.Lease, error) { return lease.Shrink(ctx, m, l) },
			"not claimed":      func() (lease.Lease, error) { return lease.Shrink(ctx, m, l, "f") },
			"no path":          func() (lease.Lease, error) { return lease.Upgrade(ctx, m, l, "") },
			"another's":        func() (lease.Lease, error) { return lease.Downgrade(ctx, m, l, "x") },
			"zero lease":       func() (lease.Lease, error) { return lease.Upgrade(ctx, m, lease.Lease{}) },
			"zero transferred": func() (lease.Lease, error) { return lease.Transfer(ctx, m, lease.Lease{}, "b") },
			"to itself":        func() (lease.Lease, error) { return lease.Transfer(ctx, m, l, "a") },
			"to nobody":        func() (lease.Lease, error) { return lease.Transfer(ctx, m, l, "") },
		} {
			_, err := call()
			require.ErrorIs(t, err, lease.ErrInvalid, name)
		}
		requireShared(t, m, "a", "g")
	})
}

// Whoever waits for what a downgrade shares gets it at once; nobody is in the
// way of the downgrade.
func TestDowngradeLetsReadersIn(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		l := acquire(t, m, exclusive("a", "f", time.Minute))
		done := make(chan error)
		go func() {
			_, err := m.Acquire(t.Context(), shared("b", "f"))
			done <- err
		}()
		synctest.Wait()
		_, err := lease.Downgrade(t.Context(), m, l)
		require.NoError(t, err)
		require.NoError(t, <-done)
		requireShared(t, m, "a", "f")
	})
}

func TestTransfer(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		l := acquire(t, m, exclusive("a", "f", time.Minute))
		got, err := lease.Transfer(t.Context(), m, l, "b")
		require.NoError(t, err)
		require.Equal(t, "b", got.Holder)
		requireHeld(t, m, "b", "f")
		err = m.Release(t.Context(), l.Ref())
		require.ErrorIs(t, err, lease.ErrReplaced)
		requireHeld(t, m, "b", "f")
		_, err = lease.Transfer(t.Context(), m, l, "c")
		require.ErrorIs(t, err, lease.ErrLost, "what was given away cannot be given again")
	})
}

// lossy loses the replies of the first calls that ask for a lease.
type lossy struct {
	lease.Manager
	lose int
}

func (m *lossy) TryAcquire(ctx context.Context, r lease.Request) (lease.Lease, error) {
	l, err := m.Manager.TryAcquire(ctx, r)
	if m.lose > 0 {
		m.lose--
		return lease.Lease{}, errLink
	}
	return l, err
}

// A replacement whose reply is lost is not lost itself.
func TestReplyOfReplaceLost(t *testing.T) {
	bubble(t, func(t *testing.T, m *manager) {
		l := acquire(t, m, exclusive("a", "f", time.Minute))
		got, err := lease.Downgrade(t.Context(), &lossy{m, 3}, l)
		require.NoError(t, err)
		require.NoError(t, lease.Verify(t.Context(), m, got.Ref(), "f"))

		start := time.Now()
		_, err = lease.Downgrade(t.Context(), &lossy{m, 1 << 30}, got)
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.Less(t, time.Since(start), time.Minute+time.Second, "it gives up when the old lease would be over")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		l = acquire(t, m, exclusive("a", "g", time.Minute))
		start = time.Now()
		_, err = lease.Downgrade(ctx, &lossy{m, 1 << 30}, l)
		require.ErrorIs(t, err, lease.ErrUnavailable)
		require.LessOrEqual(t, time.Since(start), time.Second)
	})
}
