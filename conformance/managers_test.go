package conformance

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// decorated are Managers on a store in memory, each with something around it.
func decorated(around func(lease.Manager) lease.Manager) Managers {
	var s *memory.Store
	return Managers{Open: func(testing.TB) lease.Manager {
		if s == nil {
			s = memory.NewStore() // within the case's bubble
		}
		return around(backend.New(s.Another(), nil))
	}}
}

// counting is a sound decorator: it counts the calls that change something.
type counting struct {
	lease.Manager
	mu    *sync.Mutex
	calls map[string]int
}

func (c counting) count(call string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[call]++
}

func (c counting) Unwrap() lease.Acquirer { return c.Manager }

func (c counting) TryAcquire(ctx context.Context, r lease.Request) (lease.Lease, error) {
	c.count("try acquire")
	return c.Manager.TryAcquire(ctx, r)
}

func (c counting) Acquire(ctx context.Context, r lease.Request) (lease.Lease, error) {
	c.count("acquire")
	return c.Manager.Acquire(ctx, r)
}

func (c counting) Renew(ctx context.Context, ref lease.Ref, ttl time.Duration) (lease.Lease, error) {
	c.count("renew")
	return c.Manager.Renew(ctx, ref, ttl)
}

func (c counting) Release(ctx context.Context, ref lease.Ref) error {
	c.count("release")
	return c.Manager.Release(ctx, ref)
}

func TestRunManager(t *testing.T) {
	c := counting{mu: new(sync.Mutex), calls: map[string]int{}}
	t.Run("Decorated", func(t *testing.T) {
		RunManager(t, func(testing.TB) Managers {
			return decorated(func(m lease.Manager) lease.Manager {
				around := c
				around.Manager = m
				return around
			})
		})
	})
	for _, call := range []string{"try acquire", "acquire", "renew", "release"} {
		require.Greater(t, c.calls[call], 100, call)
	}
	require.Greater(t, len(ManagerCases()), 2*len(Cases())/3)
}

// TestOnStores: the cases that are marked to need a store do. That no others do is
// what TestRunManager says.
func TestOnStores(t *testing.T) {
	all := slices.Concat(cases(), helperCases())
	for _, name := range onStores {
		t.Run(name, func(t *testing.T) {
			i := slices.IndexFunc(all, func(c testCase) bool { return c.name == name })
			require.GreaterOrEqual(t, i, 0, "there is no such case")
			bare := decorated(func(m lease.Manager) lease.Manager { return m })
			require.Contains(t, record(t, all[i], bare.fixture()).text(), noStore)
		})
	}
}

// broken are decorators with a mistake, each with a case that finds it.
var broken = []struct {
	name, found string
	around      func(lease.Manager) lease.Manager
}{
	{"errors become text", "Acquire/HeldPath", func(m lease.Manager) lease.Manager { return wordy{m} }},
	{"the caller's context is left out", "Cancel/WhileWaiting", func(m lease.Manager) lease.Manager { return detached{m} }},
	{"what was read once is read from memory", "Get/Contention", func(m lease.Manager) lease.Manager {
		return &caching{Manager: m, known: map[lease.ID]lease.Lease{}}
	}},
	{"a renewal's TTL is left out", "Renew/ShorterWhenAsked", func(m lease.Manager) lease.Manager { return timeless{m} }},
	{"the token is left out of a release", "Release/OldLeaseOfTheSameHolder", func(m lease.Manager) lease.Manager { return tokenless{m} }},
	{"a listing ends after a hundred", "List/ExactlyOnce", func(m lease.Manager) lease.Manager { return cutting{m} }},
	{"an acquisition is asked for again under another ID", "Identity/SameLease", func(m lease.Manager) lease.Manager { return renaming{m} }},
}

type wordy struct{ lease.Manager }

func (w wordy) TryAcquire(ctx context.Context, r lease.Request) (lease.Lease, error) {
	l, err := w.Manager.TryAcquire(ctx, r)
	if err != nil {
		err = errors.New(err.Error())
	}
	return l, err
}

type detached struct{ lease.Manager }

func (d detached) Acquire(ctx context.Context, r lease.Request) (lease.Lease, error) {
	return d.Manager.Acquire(context.WithoutCancel(ctx), r)
}

type caching struct {
	lease.Manager
	mu    sync.Mutex
	known map[lease.ID]lease.Lease
}

func (c *caching) Get(ctx context.Context, id lease.ID) (lease.Lease, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l, ok := c.known[id]; ok {
		return l, nil
	}
	l, err := c.Manager.Get(ctx, id)
	if err == nil {
		c.known[id] = l
	}
	return l, err
}

type timeless struct{ lease.Manager }

func (t timeless) Renew(ctx context.Context, ref lease.Ref, _ time.Duration) (lease.Lease, error) {
	return t.Manager.Renew(ctx, ref, 0)
}

type tokenless struct{ lease.Manager }

func (t tokenless) Release(ctx context.Context, ref lease.Ref) error {
	return t.Manager.Release(ctx, lease.Ref{ID: ref.ID, Holder: ref.Holder})
}

type cutting struct{ lease.Manager }

func (c cutting) List(ctx context.Context, q lease.Query) iter.Seq2[lease.Lease, error] {
	if q.Limit == 0 {
		q.Limit = 100
	}
	return c.Manager.List(ctx, q)
}

type renaming struct{ lease.Manager }

func (r renaming) TryAcquire(ctx context.Context, q lease.Request) (lease.Lease, error) {
	l, err := r.Manager.TryAcquire(ctx, q)
	if err == nil && q.ID != "" && q.QueueTTL == 0 {
		_ = r.Manager.Release(ctx, l.Ref())
		q.ID += "-again"
		return r.Manager.TryAcquire(ctx, q)
	}
	return l, err
}

func TestBrokenDecorators(t *testing.T) {
	for _, b := range broken {
		t.Run(strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			all := managerCases()
			i := slices.IndexFunc(all, func(c testCase) bool { return c.name == b.found })
			require.GreaterOrEqual(t, i, 0, "there is no case %s", b.found)
			r := record(t, all[i], decorated(b.around).fixture())
			require.True(t, r.Failed(), "%s does not find it", b.found)
		})
	}
}
