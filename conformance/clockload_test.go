package conformance

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// earlyClock is a store that reads its clock before it has its lock. It takes a
// reading that is behind what a look has seen for a clock that was set back, and
// corrects it.
type earlyClock struct {
	*memory.Store
	*correction
}

type correction struct {
	mu              sync.Mutex
	highest, offset time.Duration
	began           time.Time
}

func (e earlyClock) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	now := time.Since(e.began)
	e.mu.Lock()
	defer e.mu.Unlock()
	<-time.After(100 * time.Microsecond) // the step
	now += e.offset
	if late := e.highest - now; late > 0 {
		e.offset += late
		now = e.highest
	}
	e.highest = now
	return e.Store.Acquire(ctx, a)
}

func (e earlyClock) Stats(ctx context.Context) (lease.Stats, error) {
	stats, err := e.Store.Stats(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.highest = max(e.highest, time.Since(e.began)+e.offset)
	stats.Now = stats.Now.Add(e.offset)
	return stats, err
}

func TestEarlyClockIsFound(t *testing.T) {
	s, c := memory.NewStore(), &correction{began: time.Now()}
	fixture := Fixture{RealTime: true, Open: func(testing.TB) backend.Store { return earlyClock{s.Another(), c} }}
	r := record(t, clockLoadCases[0], fixture)
	require.True(t, r.Failed())
	require.Contains(t, r.text(), "the clock gained")
}
