package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// impatient makes goroutines call everything with contexts that end at random
// moments, each of them times times, or until one is told ErrClosed. What they
// are granted they release with a context of their own.
func impatient(m lease.Manager, goroutines, times int) error {
	return inParallel(goroutines, func(g int) error {
		for i := range times {
			err := callImpatiently(m, fmt.Sprintf("impatient-%d", g), i)
			switch {
			case errors.Is(err, lease.ErrClosed):
				return nil
			case err == nil, expected(err), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			default:
				return err
			}
		}
		return nil
	})
}

func callImpatiently(m lease.Manager, holder string, i int) error {
	ctx, cancel := context.WithCancel(context.Background())
	if i%2 == 0 {
		cancel()
		ctx, cancel = context.WithTimeout(context.Background(), rand.N(5*time.Millisecond))
	} else {
		time.AfterFunc(rand.N(5*time.Millisecond), cancel)
	}
	defer cancel()
	switch rand.IntN(8) {
	case 0:
		for _, err := range m.List(ctx, lease.Query{}) {
			if err != nil {
				return err
			}
		}
		return nil
	case 1:
		_, err := m.Stats(ctx)
		return err
	}
	acquire := m.Acquire
	if rand.IntN(3) == 0 {
		acquire = m.TryAcquire
	}
	l, err := acquire(ctx, lease.Request{Holder: holder, Claims: lease.Paths(fmt.Sprintf("path-%d", rand.IntN(4)), "shared/"+holder), TTL: time.Hour})
	if err != nil {
		return err
	}
	_, err = m.Renew(ctx, l.Ref(), 0)
	return errors.Join(err, m.Release(context.Background(), l.Ref()))
}

// Contexts that end at any moment leave nothing behind: no lease, no place in
// line, no half of a change, no transaction on a connection, no goroutine.
func TestStormOfCancels(t *testing.T) {
	const goroutines = 32
	times := 60
	if underRace {
		times = 15
	}
	path := newPath(t)
	before := runtime.NumGoroutine()
	m, err := Open(t.Context(), path, nil)
	require.NoError(t, err)
	require.NoError(t, impatient(m, goroutines, times))

	// The connections still work.
	l, err := m.TryAcquire(t.Context(), lease.Request{Holder: "after", Claims: lease.Paths("after")})
	require.NoError(t, err)
	require.NoError(t, m.Release(t.Context(), l.Ref()))
	require.NoError(t, m.Close()) // waits for what takes the abandoned attempts back
	requireGoroutines(t, before)
	requireNothingHeld(t, path)
	checkFile(t, path)
}

// Close in the middle of such a storm ends all calls, and leaves the tables in
// agreement.
func TestCloseInStorm(t *testing.T) {
	path := newPath(t)
	for range 5 {
		before := runtime.NumGoroutine()
		m, err := Open(t.Context(), path, nil)
		require.NoError(t, err)
		var storm sync.WaitGroup
		result := make(chan error, 1)
		storm.Go(func() { result <- impatient(m, 32, 1_000_000) })
		moment := time.NewTimer(rand.N(50 * time.Millisecond)) // any moment will do
		<-moment.C
		start := time.Now()
		require.NoError(t, m.Close())
		require.Less(t, time.Since(start), 10*time.Second)
		require.NoError(t, <-result)
		storm.Wait()
		requireGoroutines(t, before)
		checkFile(t, path)
	}
}

// requireGoroutines waits until no more goroutines run than before.
func requireGoroutines(t testing.TB, before int) {
	t.Helper()
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, // Eventually's own
		10*time.Second, 5*time.Millisecond)
}

func requireNothingHeld(t testing.TB, path string) {
	t.Helper()
	stats, err := mustManager(t, path, nil).Stats(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.Active, "leases")
	require.Zero(t, stats.Pending, "places in line")
}
