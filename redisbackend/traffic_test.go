package redisbackend_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
	"github.com/leasekit/leasekit/redisbackend"
)

// patience bounds what must come about in time on any machine.
const patience = time.Minute

// manage returns a Manager that is closed at the end of the test.
func manage(t testing.TB, client redis.UniversalClient, o *redisbackend.Options) lease.Manager {
	t.Helper()
	m, err := redisbackend.Open(t.Context(), client, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// holding is a grant as its holder saw it.
type holding struct {
	lease       lease.Lease
	from, until time.Time // between which the holder relied on it
}

// traffic is goroutines that take, renew and release a few paths through several handles, while a test does something to
// the server. They note what they were granted and which errors they met.
type traffic struct {
	t        *testing.T
	handles  []lease.Manager
	admitted []error // what may go wrong, besides lease.ErrUnavailable

	stop      context.CancelFunc
	running   sync.WaitGroup
	grants    chan struct{} // has an element when something was granted
	regressed chan struct{} // has an element when somebody met lease.ErrRegressed

	mu     sync.Mutex
	held   []holding
	failed map[error]int // errors that were met, by sentinel
}

const (
	trafficTTL   = 2 * time.Second
	trafficPaths = 2 // fewer than goroutines: some always wait
)

// start lets goroutines, three on each handle, take leases until finish.
func start(t *testing.T, handles []lease.Manager, admitted ...error) *traffic {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	all := &traffic{
		t: t, handles: handles, admitted: append(admitted, lease.ErrUnavailable), stop: stop, failed: map[error]int{},
		grants: make(chan struct{}, 1), regressed: make(chan struct{}, 1),
	}
	t.Cleanup(func() {
		stop()
		all.running.Wait()
	})
	for i, m := range handles {
		for j := range 3 {
			all.running.Go(func() {
				holder := fmt.Sprintf("holder-%d-%d", i, j)
				for n := 0; ctx.Err() == nil; n++ {
					all.take(ctx, m, holder, fmt.Sprint("path-", n%trafficPaths))
				}
			})
		}
	}
	return all
}

// take has one lease granted, renewed and released.
func (all *traffic) take(ctx context.Context, m lease.Manager, holder, path string) {
	l, err := m.Acquire(ctx, lease.Request{Holder: holder, Claims: lease.Paths(path), TTL: trafficTTL})
	if err != nil {
		if ctx.Err() == nil {
			all.note(fmt.Sprint("acquire ", path), err)
		}
		return
	}
	from := time.Now()
	deadline := from.Add(l.Remaining())
	if _, err := m.Renew(ctx, l.Ref(), 0); err != nil && ctx.Err() == nil {
		all.note("renew", err)
	}
	until := time.Now()
	if until.After(deadline) {
		until = deadline
	}
	all.mu.Lock()
	all.held = append(all.held, holding{l, from, until})
	all.mu.Unlock()
	// A release that may be cut off by the end of the test would leave the path to the TTL.
	if err := m.Release(context.WithoutCancel(ctx), l.Ref()); err != nil {
		all.note("release", err)
	}
	signal(all.grants)
}

// signal puts an element into a channel that has none.
func signal(events chan<- struct{}) {
	select {
	case events <- struct{}{}:
	default:
	}
}

// note counts an error, and fails the test if it is not one of those admitted.
func (all *traffic) note(what string, err error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, admitted := range all.admitted {
		if errors.Is(err, admitted) {
			all.failed[admitted]++
			if errors.Is(admitted, lease.ErrRegressed) {
				signal(all.regressed)
			}
			return
		}
	}
	all.stop()
	all.t.Errorf("%s: %v", what, err)
}

// flows waits until something was granted many times more.
func (all *traffic) flows(why string) {
	all.t.Helper()
	all.flowsOnceAcknowledged(why, nil)
}

// flowsOnceAcknowledged does the same, and acknowledges that the store went back in time if somebody meets that.
func (all *traffic) flowsOnceAcknowledged(why string, acknowledge func() error) {
	all.t.Helper()
	const many = 30
	late := time.After(patience)
	for n := 0; n < many; {
		select {
		case <-all.grants:
			n++
		case <-all.regressed:
			require.NoError(all.t, acknowledge())
			n = 0
		case <-late:
			all.t.Fatalf("nothing is granted %s: %s", why, all.met())
		}
	}
}

// met returns the errors that were met.
func (all *traffic) met() string {
	all.mu.Lock()
	defer all.mu.Unlock()
	return fmt.Sprintf("%d grants, errors %v", len(all.held), all.failed)
}

// count returns how often an error was met.
func (all *traffic) count(target error) int {
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.failed[target]
}

// finish ends the traffic and checks what it noted against the history: that keeps the rules, and no two holders relied
// on one path at a time, unless the grant of one is what the store has lost. It returns how many were lost.
func (all *traffic) finish() (lost int) {
	all.t.Helper()
	all.stop()
	all.running.Wait()
	all.t.Log(all.met())

	m, recorded := all.handles[0], map[lease.Token]bool{}
	report, err := audit.Replay(func(yield func(lease.Event, error) bool) {
		for e, err := range m.History(context.WithoutCancel(all.t.Context()), lease.Query{All: true}) {
			recorded[e.Lease.Token] = true
			if !yield(e, err) {
				return
			}
		}
	}, nil)
	require.NoError(all.t, err)
	require.NoError(all.t, report.Err())

	overlaps := 0
	for i, a := range all.held {
		if !recorded[a.lease.Token] {
			lost++
		}
		for _, b := range all.held[:i] {
			if a.lease.Claims[0] != b.lease.Claims[0] || !a.from.Before(b.until) || !b.from.Before(a.until) {
				continue
			}
			if recorded[a.lease.Token] == recorded[b.lease.Token] {
				all.t.Errorf("%s and %s held %q at once, with tokens %d and %d",
					a.lease.Holder, b.lease.Holder, a.lease.Claims[0].Path, a.lease.Token, b.lease.Token)
			}
			overlaps++
		}
	}
	if lost > 0 {
		all.t.Logf("%d grants were lost, and %d pairs of holders overlapped", lost, overlaps)
	}
	return lost
}
