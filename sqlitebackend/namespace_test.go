package sqlitebackend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// Two namespaces in one file know nothing of each other: leases, IDs, queues,
// tokens, history and configuration are apart.
func TestNamespacesAreApart(t *testing.T) {
	path := newPath(t)
	ctx := t.Context()
	one := mustManager(t, path, &Options{Namespace: "one"})
	two := mustManager(t, path, &Options{Namespace: "two"})
	again := mustManager(t, path, &Options{Namespace: "one"})

	request := lease.Request{ID: "same", Holder: "first", Claims: lease.Trees("/"), TTL: time.Hour}
	l, err := one.TryAcquire(ctx, request)
	require.NoError(t, err)
	request.Holder = "second"
	_, err = two.TryAcquire(ctx, request)
	require.NoError(t, err, "the same ID and path, by another holder")
	request.ID = "other"
	_, err = again.TryAcquire(ctx, request)
	require.ErrorIs(t, err, lease.ErrConflict, "another handle on the first one")

	require.ErrorIs(t, two.Release(ctx, l.Ref()), lease.ErrNotHolder)
	_, err = two.ForceRelease(ctx, lease.Query{All: true}, lease.Revocation{Actor: "test"})
	require.NoError(t, err)
	kept, err := one.Get(ctx, l.ID)
	require.NoError(t, err)
	require.Equal(t, lease.Active, kept.Status)

	for m, kinds := range map[lease.Manager][]lease.Kind{
		one: {lease.KindGranted},
		two: {lease.KindGranted, lease.KindRevoked},
	} {
		var found []lease.Kind
		for e, err := range m.History(ctx, lease.Query{}) {
			require.NoError(t, err)
			require.EqualValues(t, len(found)+1, e.Seq)
			found = append(found, e.Kind)
		}
		require.Equal(t, kinds, found)
		conformance.Check(t, m)
	}

	config, err := one.Config(ctx)
	require.NoError(t, err)
	config.MaxTTL, config.DefaultTTL = time.Minute, time.Second
	_, err = one.SetConfig(ctx, config)
	require.NoError(t, err)
	others, err := two.Config(ctx)
	require.NoError(t, err)
	want := lease.DefaultConfig()
	want.Version = 1
	require.Equal(t, want, others)

	others.HistoryMaxEvents = 1
	_, err = two.SetConfig(ctx, others)
	require.NoError(t, err)
	_, err = two.Sweep(ctx)
	require.NoError(t, err)

	for m, want := range map[lease.Manager]struct {
		active, listed int
		oldest         lease.Seq
	}{one: {1, 1, 1}, two: {0, 1, 3}} {
		stats, err := m.Stats(ctx)
		require.NoError(t, err)
		require.Equal(t, want.active, stats.Active)
		require.Equal(t, want.oldest, stats.Oldest)
		listed := 0
		for _, err := range m.List(ctx, lease.Query{Status: []lease.Status{lease.Active, lease.Released, lease.Failed}}) {
			require.NoError(t, err)
			listed++
		}
		require.Equal(t, want.listed, listed)
	}
}
