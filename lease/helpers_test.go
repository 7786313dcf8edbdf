package lease_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// errLink is what a broken link answers.
var errLink = &lease.UnavailableError{Op: "renew", Err: errors.New("link is down")}

// bubble runs a test in virtual time; goroutines left over fail it.
func bubble(t *testing.T, f func(t *testing.T, m *manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &manager{Manager: memory.New(nil)}
		defer func() { require.NoError(t, m.Close()) }()
		f(t, m)
	})
}

// manager is a Manager in memory whose renewals and releases a test can see and
// disturb.
type manager struct {
	lease.Manager

	mu       sync.Mutex
	renewals []time.Time // when each call began
	holders  []string    // whose they were
	onRenew  func(ctx context.Context, renew renewCall) (lease.Lease, error)
	onFree   func(ref lease.Ref) error // before Release
}

// renewCall makes the call that was asked for.
type renewCall func(context.Context) (lease.Lease, error)

func (m *manager) Renew(ctx context.Context, ref lease.Ref, ttl time.Duration) (lease.Lease, error) {
	m.mu.Lock()
	m.renewals = append(m.renewals, time.Now())
	m.holders = append(m.holders, ref.Holder)
	disturb := m.onRenew
	m.mu.Unlock()
	renew := func(ctx context.Context) (lease.Lease, error) { return m.Manager.Renew(ctx, ref, ttl) }
	if disturb != nil {
		return disturb(ctx, renew)
	}
	return renew(ctx)
}

func (m *manager) Release(ctx context.Context, ref lease.Ref) error {
	m.mu.Lock()
	disturb := m.onFree
	m.mu.Unlock()
	if disturb != nil {
		if err := disturb(ref); err != nil {
			return err
		}
	}
	return m.Manager.Release(ctx, ref)
}

// disturb has renewals go through f; nil is no longer.
func (m *manager) disturb(f func(ctx context.Context, renew renewCall) (lease.Lease, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.onRenew = f
}

// calls returns when each call of Renew so far began.
func (m *manager) calls() []time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.renewals)
}

// renewed returns how many calls of Renew there were so far.
func (m *manager) renewed() int { return len(m.calls()) }

// renewedFor returns how many of them were for this holder.
func (m *manager) renewedFor(holder string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, h := range m.holders {
		if h == holder {
			n++
		}
	}
	return n
}

// blackHole never answers.
func blackHole(ctx context.Context, _ renewCall) (lease.Lease, error) {
	<-ctx.Done()
	return lease.Lease{}, &lease.UnavailableError{Op: "renew", Err: ctx.Err()}
}

// loseReply does what was asked for, and says that it failed.
func loseReply(ctx context.Context, renew renewCall) (lease.Lease, error) {
	if _, err := renew(ctx); err != nil {
		return lease.Lease{}, err
	}
	return lease.Lease{}, errLink
}

// refuse fails without doing anything.
func refuse(context.Context, renewCall) (lease.Lease, error) { return lease.Lease{}, errLink }

func exclusive(holder, path string, ttl time.Duration) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: ttl, Timeout: lease.NoTimeout}
}

// keeper returns a Keeper that is closed at the end.
func keeper(t testing.TB, m lease.Acquirer, o *lease.KeeperOptions) *lease.Keeper {
	k := lease.NewKeeper(m, o)
	t.Cleanup(k.Close)
	return k
}

// acquire requires that the request is granted.
func acquire(t testing.TB, m lease.Acquirer, r lease.Request) lease.Lease {
	t.Helper()
	l, err := m.Acquire(t.Context(), r)
	require.NoError(t, err)
	return l
}

// keep requires that the lease is kept.
func keep(t testing.TB, k *lease.Keeper, l lease.Lease, o *lease.KeepOptions) *lease.Held {
	t.Helper()
	h, err := k.Keep(t.Context(), l, o)
	require.NoError(t, err)
	return h
}

// requireHeld requires that the holder has the path and nobody else gets it.
func requireHeld(t testing.TB, m lease.Manager, holder, path string) {
	t.Helper()
	held, err := lease.HoldsLease(t.Context(), m, holder, path)
	require.NoError(t, err)
	require.True(t, held)
	_, err = m.TryAcquire(t.Context(), exclusive("another", path, time.Second))
	require.ErrorIs(t, err, lease.ErrConflict)
}

// requireFree requires that nobody has the path.
func requireFree(t testing.TB, m lease.Manager, path string) {
	t.Helper()
	locked, err := lease.IsLocked(t.Context(), m, path)
	require.NoError(t, err)
	require.False(t, locked)
}
