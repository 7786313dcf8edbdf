package redisbackend_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// A holder whose link becomes a black hole (connections stay open, nothing arrives) learns of its loss before anybody
// else is granted the path: in 100 of 100 runs its context ends first. Ten links are cut at ten moments, which find
// each lease at another point between two renewals.
func TestBlackHole(t *testing.T) {
	const links, runs = 10, 10
	server := redistest.Single(t)
	direct, err := redisbackend.Open(t.Context(), server.Client(), nil)
	require.NoError(t, err)
	defer direct.Close()

	leads := make([]time.Duration, links*runs)
	var all sync.WaitGroup
	for link := range links {
		proxy := redistest.NewProxy(t, server.Addr())
		client := redis.NewClient(&redis.Options{Addr: proxy.Addr()})
		defer client.Close()
		behind, err := redisbackend.Open(t.Context(), client, nil)
		require.NoError(t, err)
		all.Go(func() {
			defer behind.Close()
			blackHole(t, proxy, behind, direct, fmt.Sprint("link-", link), leads[link*runs:][:runs])
		})
	}
	all.Wait()

	slices.Sort(leads)
	require.Positive(t, leads[0], "another was granted the path before the holder's context had ended")
	t.Logf("contexts ended before the grant: by %v at least, %v in the median", leads[0], leads[len(leads)/2])
}

// blackHole has each lease held through a link that is cut, and taken over through another, and measures by how much the
// end of the holder's context came first. Half of the holders use Do, half share a Keeper.
func blackHole(t *testing.T, proxy *redistest.Proxy, behind, direct lease.Manager, name string, leads []time.Duration) {
	const ttl = 2 * time.Second
	type work func(ctx context.Context) error
	keeper := lease.NewKeeper(behind, nil)
	defer keeper.Close()
	alone := func(r lease.Request, f work) error {
		return lease.Do(t.Context(), behind, r, func(ctx context.Context, _ lease.Lease) error { return f(ctx) })
	}
	together := func(r lease.Request, f work) error {
		return keeper.Do(t.Context(), r, nil, func(ctx context.Context, _ *lease.Held) error { return f(ctx) })
	}

	var held, running sync.WaitGroup
	for i := range leads {
		hold := alone
		if i%2 == 0 {
			hold = together
		}
		path := lease.Paths(fmt.Sprint(name, "/", i))
		told := make(chan time.Time, 2)
		granted := make(chan struct{})
		began := sync.OnceFunc(func() { close(granted) })
		held.Add(1)
		running.Go(func() {
			err := hold(lease.Request{Holder: lease.NewHolder("cut-off"), Claims: path, TTL: ttl}, func(ctx context.Context) error {
				began()
				<-ctx.Done()
				told <- time.Now()
				return nil
			})
			began() // whatever happened
			told <- time.Now()
			if !errors.Is(err, lease.ErrExpired) {
				t.Errorf("%s/%d: a holder that was cut off is told: %v", name, i, err)
			}
		})
		running.Go(func() {
			<-granted
			held.Done()
			_, err := direct.Acquire(t.Context(), lease.Request{Holder: lease.NewHolder("next"), Claims: path, TTL: time.Minute})
			taken := time.Now()
			if err != nil {
				t.Errorf("%s/%d: %v", name, i, err)
			}
			leads[i] = taken.Sub(<-told)
		})
	}
	held.Wait()
	<-time.After(rand.N(ttl)) // the moment is what is drawn
	proxy.Stall()
	running.Wait()
	proxy.Refuse() // for the calls that hang to end
}
