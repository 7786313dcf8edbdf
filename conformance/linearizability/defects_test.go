package linearizability

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// TestDefects plants what hardly anybody notices who makes one call at a time.
func TestDefects(t *testing.T) {
	for name, plant := range map[string]func(backend.Store) backend.Store{
		"a handle looks up what it saw before":   func(s backend.Store) backend.Store { return &stale{Store: s} },
		"a list is read in two halves":           func(s backend.Store) backend.Store { return torn{s} },
		"a release answers before it is done":    func(s backend.Store) backend.Store { return hasty{s} },
		"two asks at once do not see each other": func(s backend.Store) backend.Store { return &unseeing{Store: s} },
	} {
		t.Run(name, func(t *testing.T) {
			store := plant(memory.NewStore())
			done, err := search(t.Context(), []caller{local{store}, local{store}}, time.Minute)
			found := new(violation)
			require.ErrorAs(t, err, &found, done)
			t.Log(found)
		})
	}
}

// window is how long a defect lets others in.
func window(ctx context.Context) {
	t := time.NewTimer(time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// stale answers the next looks at an ID as it did the first.
type stale struct {
	backend.Store

	mu   sync.Mutex
	left int // looks
	id   lease.ID
	page backend.ListReply
}

func (s *stale) List(ctx context.Context, q lease.Query, cursor string) (backend.ListReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.ID != "" && q.ID == s.id && s.left > 0 {
		s.left--
		return s.page, nil
	}
	page, err := s.Store.List(ctx, q, cursor)
	if q.ID != "" {
		s.left, s.id, s.page = 3, q.ID, page
	}
	return page, err
}

// torn lists the first half of what is there, and a little later the rest.
type torn struct{ backend.Store }

func (s torn) List(ctx context.Context, q lease.Query, cursor string) (backend.ListReply, error) {
	first, err := s.Store.List(ctx, q, cursor)
	if err != nil || len(first.Leases) < 2 {
		return first, err
	}
	window(ctx)
	page, err := s.Store.List(ctx, q, cursor)
	half := first.Leases[:len(first.Leases)/2]
	rest := slices.DeleteFunc(page.Leases, func(l lease.Lease) bool {
		return slices.ContainsFunc(half, func(h lease.Lease) bool { return h.ID == l.ID })
	})
	page.Leases = append(slices.Clone(half), rest...)
	return page, err
}

// hasty releases what is held after it has answered.
type hasty struct{ backend.Store }

func (s hasty) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	page, err := s.List(ctx, lease.Query{ID: a.Ref.ID}, "")
	if err != nil || len(page.Leases) == 0 || page.Leases[0].Status != lease.Active || page.Leases[0].Ref() != a.Ref {
		return s.Store.Release(ctx, a)
	}
	ctx = context.WithoutCancel(ctx)
	go func() {
		window(ctx)
		_, _ = s.Store.Release(ctx, a)
	}()
	return backend.ReleaseReply{Outcome: backend.Done}, nil
}

// unseeing grants a new request that is asked for while another ask is decided,
// whatever is in its way.
type unseeing struct {
	backend.Store

	asks    atomic.Int32
	granted sync.Map // by ID
}

func (s *unseeing) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	defer s.asks.Add(-1)
	alone := s.asks.Add(1) == 1
	page, err := s.List(ctx, lease.Query{ID: a.Request.ID}, "")
	if err != nil {
		return backend.AcquireReply{}, err
	}
	if !alone && len(page.Leases) == 0 && a.Request.Replace.ID == "" && a.Request.Parent.ID == "" {
		s.granted.Store(a.Request.ID, true)
	}
	if _, granted := s.granted.Load(a.Request.ID); !granted {
		window(ctx)
		return s.Store.Acquire(ctx, a)
	}
	claims := a.Request.Claims
	a.Request.Claims = []lease.Claim{{Path: "elsewhere/" + string(a.Request.ID)}}
	reply, err := s.Store.Acquire(ctx, a)
	reply.Lease.Claims = claims
	return reply, err
}
