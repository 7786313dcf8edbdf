package backend_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

func TestConfigIsReadOnceAndThenFollowed(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		r := request()
		r.TTL = 0
		for _, want := range []time.Duration{time.Hour, time.Minute, time.Minute} {
			l, err := m.TryAcquire(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, want, l.TTL)
			if want == time.Hour {
				s.change(func(c *lease.Config) { c.DefaultTTL = time.Minute })
			}
		}
		require.Equal(t, 1, s.configReads)
		asks, _ := s.state()
		require.Len(t, asks, 4)
		require.False(t, asks[2].Again, "a stale ask did nothing")
		require.Equal(t, asks[1].Attempt, asks[2].Attempt)
	})
}

func TestOlderConfigOfARestoredStore(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.change(func(c *lease.Config) { c.Version, c.MaxTTL = 9, time.Second })
		_, err := m.TryAcquire(t.Context(), request())
		require.ErrorIs(t, err, lease.ErrInvalid)
		s.change(func(c *lease.Config) { c.Version, c.MaxTTL = 1, 0 })
		_, err = m.TryAcquire(t.Context(), request())
		require.NoError(t, err, "the violation was checked against the store's configuration")
		s.change(func(c *lease.Config) { c.Version = 3 })
		_, err = m.TryAcquire(t.Context(), request())
		require.NoError(t, err)
		s.change(func(c *lease.Config) { c.Version = 2 })
		_, err = m.TryAcquire(t.Context(), request())
		require.NoError(t, err)
	})
}

func TestCapIsCheckedAgainstTheCurrentConfig(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.change(func(c *lease.Config) { c.MaxTTL, c.DefaultTTL = time.Second, time.Second })
		_, err := m.TryAcquire(t.Context(), request())
		require.EqualError(t, err, "lease: invalid ttl: 1m0s, more than max_ttl 1s")
		_, err = m.Renew(t.Context(), lease.Ref{ID: "i", Holder: "h", Token: 1}, time.Minute)
		require.EqualError(t, err, "lease: invalid ttl: 1m0s, more than max_ttl 1s")
		require.Empty(t, s.asks)
		s.change(func(c *lease.Config) { c.MaxTTL = time.Minute })
		_, err = m.TryAcquire(t.Context(), request())
		require.NoError(t, err)
	})
}

func TestStoreThatContradictsItself(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		for _, reply := range []backend.AcquireReply{
			{Outcome: backend.Stale},
			{Outcome: backend.Stale, Config: &lease.Config{Version: 1}},
		} {
			s.acquire = func(context.Context, backend.AcquireArgs) (backend.AcquireReply, error) { return reply, nil }
			_, err := m.TryAcquire(t.Context(), request())
			require.ErrorIs(t, err, lease.ErrUnavailable)
		}
	})
}

func TestConfigThatCannotBeRead(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		s.readErr = errDown
		_, err := m.Acquire(t.Context(), request())
		require.ErrorIs(t, err, lease.ErrUnavailable)
		asks, withdrawn := s.state()
		require.Empty(t, asks)
		require.Empty(t, withdrawn, "nothing was sent, nothing to take back")
		s.readErr = nil
		_, err = m.Acquire(t.Context(), request())
		require.NoError(t, err)
	})
}

func TestSetConfig(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		c, err := m.Config(t.Context())
		require.NoError(t, err)
		c.DefaultTTL, c.AcquireTimeout = time.Second+time.Nanosecond, lease.NoTimeout
		set, err := m.SetConfig(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, uint64(2), set.Version)
		require.Equal(t, time.Second+time.Millisecond, set.DefaultTTL)
		require.Equal(t, lease.NoTimeout, set.AcquireTimeout)

		_, err = m.SetConfig(t.Context(), c)
		require.ErrorIs(t, err, lease.ErrVersion)
		require.NotErrorIs(t, err, lease.ErrUnavailable)

		set.WaiterTTL = 0
		_, err = m.SetConfig(t.Context(), set)
		require.ErrorIs(t, err, lease.ErrInvalid)

		r := request()
		r.TTL = 0
		l, err := m.TryAcquire(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, set.DefaultTTL, l.TTL)
		asks, _ := s.state()
		require.Len(t, asks, 1, "the reply was learnt from")
	})
}
