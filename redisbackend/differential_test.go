package redisbackend_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// TestDifferential does the same on a Manager in Redis and on one in memory, at the same moments, and compares all that
// they answer. Most leases are simple, so that they take the uncontended path; some are not. Whenever a step is done, all
// structures in Redis agree.
func TestDifferential(t *testing.T) {
	t.Parallel()
	for seed := range uint64(differentialSeeds) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { differ(t, seed, 250) })
		})
	}
}

func differ(t *testing.T, seed uint64, steps int) {
	server := redistest.Mini(t)
	client := server.Client()
	inRedis := manage(t, client, nil)
	inMemory := memory.New(nil)
	defer inMemory.Close()
	d := &script{random: rand.New(rand.NewPCG(seed, 1))}
	log := []string{"config"}
	for _, m := range []lease.Manager{inRedis, inMemory} {
		c, err := m.Config(t.Context())
		require.NoError(t, err)
		c.AutoSweep, c.HistoryRenewals = false, true
		_, err = m.SetConfig(t.Context(), c)
		require.NoError(t, err)
	}
	for step := range steps {
		what, do := d.next()
		log = append(log, what)
		one, other := do(t.Context(), inRedis), do(t.Context(), inMemory)
		if one == other {
			one, other = everything(t, inRedis), everything(t, inMemory)
		}
		require.Equal(t, other, one, "step %d of\n%s", step+1, strings.Join(log, "\n"))
		redisbackend.CheckStructures(t, client, redisbackend.DefaultNamespace)
	}
}

// script makes up what to do. It keeps the Refs that it was given.
type script struct {
	random *rand.Rand
	ids    int
	refs   []lease.Ref
}

func (s *script) one(of ...string) string { return of[s.random.IntN(len(of))] }

func (s *script) ref() lease.Ref {
	if len(s.refs) == 0 || s.random.IntN(20) == 0 {
		return lease.Ref{ID: "none", Holder: "a", Token: 1}
	}
	return s.refs[len(s.refs)-1-s.random.IntN(min(8, len(s.refs)))]
}

func (s *script) claims() []lease.Claim {
	path := func() string { return s.one("f", "g", "h", "d/1", "d/2", "d/e/3", "d/e/f/4", "d", "d/e", "d-1", "/") }
	if s.random.IntN(10) < 6 {
		return lease.Paths(path())
	}
	claimed := 1 + s.random.IntN(3)
	if s.random.IntN(8) == 0 { // many, of which most meet nobody
		claimed = 30
		path = func() string {
			if s.random.IntN(60) == 0 {
				return s.one("d", "d/e", "k")
			}
			return s.one("d/", "d/e/", "d-", "k-") + strconv.Itoa(s.random.IntN(40))
		}
	}
	var claims []lease.Claim
	for range claimed {
		claims = append(claims, lease.Claim{Path: path(), Mode: lease.Mode(s.random.IntN(2)), Scope: lease.Scope(s.random.IntN(2))})
	}
	return claims
}

// next returns a step, in words, and what does it to a Manager and says what came of it.
func (s *script) next() (string, func(context.Context, lease.Manager) string) {
	switch n := s.random.IntN(100); {
	case n < 45:
		s.ids++
		r := lease.Request{
			ID: lease.ID(fmt.Sprint("r", s.ids)), Holder: s.one("a", "b", "c"), Claims: s.claims(),
			TTL: time.Duration(100+s.random.IntN(2000)) * time.Millisecond,
		}
		if s.random.IntN(12) == 0 {
			r.ID = lease.ID(fmt.Sprint("r", 1+s.random.IntN(s.ids)))
		}
		switch s.random.IntN(12) {
		case 0, 1:
			r.QueueTTL = time.Duration(100+s.random.IntN(2000)) * time.Millisecond
			r.Priority = s.random.IntN(5) - 2
		case 2:
			r.Replace = s.ref()
		case 3, 4:
			r.Parent = s.ref()
		case 5:
			r.Distinct = true
		}
		return fmt.Sprintf("try %+v", r), func(ctx context.Context, m lease.Manager) string {
			l, err := m.TryAcquire(ctx, r)
			if err == nil && !slices.Contains(s.refs, l.Ref()) {
				s.refs = append(s.refs, l.Ref())
			}
			return told(l, err)
		}
	case n < 65:
		ref := s.ref()
		return fmt.Sprint("release ", ref), func(ctx context.Context, m lease.Manager) string {
			return told(lease.Lease{}, m.Release(ctx, ref))
		}
	case n < 78:
		ref, ttl := s.ref(), time.Duration(s.random.IntN(3))*time.Second
		return fmt.Sprint("renew ", ref, ttl), func(ctx context.Context, m lease.Manager) string {
			l, err := m.Renew(ctx, ref, ttl)
			return told(l, err)
		}
	case n < 94:
		pause := time.Duration(s.random.IntN(600)) * time.Millisecond
		if s.random.IntN(40) == 0 {
			pause = 3 * time.Minute
		}
		return fmt.Sprint("pass ", pause), func(context.Context, lease.Manager) string {
			time.Sleep(pause / 2) // half for each of the two
			return ""
		}
	case n < 96:
		q := lease.Query{Under: s.one("d", "d/e", "f")}
		return fmt.Sprint("force ", q), func(ctx context.Context, m lease.Manager) string {
			ended, err := m.ForceRelease(ctx, q, lease.Revocation{Actor: "root"})
			slices.SortFunc(ended, func(a, b lease.Lease) int { return strings.Compare(string(a.ID), string(b.ID)) })
			text := told(lease.Lease{}, err)
			for _, l := range ended {
				text += told(l, nil)
			}
			return text
		}
	case n < 97:
		quota := s.random.IntN(4)
		return fmt.Sprint("quota ", quota), func(ctx context.Context, m lease.Manager) string {
			c, err := m.Config(ctx)
			if err == nil {
				c.MaxLeasesPerHolder = 2 * quota
				c, err = m.SetConfig(ctx, c)
			}
			return fmt.Sprint(c, err)
		}
	}
	return "sweep", func(ctx context.Context, m lease.Manager) string {
		_, err := m.Sweep(ctx)
		return fmt.Sprint(err)
	}
}

// told is an answer, as far as all stores must give the same.
func told(l lease.Lease, err error) string {
	text := fmt.Sprintf("%s %d %s %v %s %s %d until %d;", l.ID, l.Token, l.Holder, l.Claims, l.Status, l.EndReason, l.Renewals, l.ExpiresAt.UnixMilli())
	for _, kind := range []error{
		lease.ErrConflict, lease.ErrQuota, lease.ErrNotFound, lease.ErrNotHolder, lease.ErrExpired, lease.ErrReleased, lease.ErrRevoked,
		lease.ErrReplaced, lease.ErrLost, lease.ErrRenewalLimit, lease.ErrInvalid, lease.ErrDeadlock, lease.ErrUnavailable,
	} {
		if errors.Is(err, kind) {
			text += " " + kind.Error()
		}
	}
	var conflict *lease.ConflictError
	if errors.As(err, &conflict) {
		text += fmt.Sprint(" ", conflict.Count, conflict.Position)
	}
	return text
}

// everything is what is in the store. When the end of what is over is recorded is each store's choice.
func everything(t *testing.T, m lease.Manager) string {
	t.Helper()
	var text strings.Builder
	for l, err := range m.List(t.Context(), lease.Query{All: true}) {
		require.NoError(t, err)
		fmt.Fprintln(&text, told(l, nil))
	}
	stats, err := m.Stats(t.Context())
	require.NoError(t, err)
	fmt.Fprintln(&text, stats.Active, stats.Pending, stats.Token)
	return text.String()
}
