package etcdbackend

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// off returns the options of a machine whose clock is off by so much.
func off(by time.Duration) *Options {
	return &Options{wall: func() time.Time { return time.Now().Add(by) }}
}

// TestSkewedClocks: clocks that are 400 ms apart: a holder stops before another
// is granted the path, whichever is ahead.
func TestSkewedClocks(t *testing.T) {
	for name, skew := range map[string][2]time.Duration{
		"the holder is ahead":  {400 * time.Millisecond, 0},
		"the holder is behind": {0, 400 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, _ *fakeEtcd, open func(*Options) *Store) {
				holder, other := manage(t, open(off(skew[0]))), manage(t, open(off(skew[1])))
				for range 100 {
					r := request("a", "f")
					r.TTL = 1500 * time.Millisecond
					l, err := holder.TryAcquire(t.Context(), r)
					require.NoError(t, err)
					stops := l.Deadline()
					require.True(t, stops.After(time.Now()))
					next, err := other.Acquire(t.Context(), request("b", "f"))
					require.NoError(t, err)
					require.True(t, time.Now().After(stops), "granted %v too early", time.Until(stops))
					require.Greater(t, next.Token, l.Token)
					require.NoError(t, other.Release(t.Context(), next.Ref()))
				}
			})
		})
	}
}

// TestBadClock: who comes with a clock that is 2 s off is refused, while another
// is there to compare with, and has granted nothing.
func TestBadClock(t *testing.T) {
	for name, by := range map[string]time.Duration{"ahead": 2 * time.Second, "behind": -2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
				m := manage(t, open(nil))
				_, err := NewStore(t.Context(), f.client(), off(by))
				require.ErrorIs(t, err, ErrClockSkew)
				require.ErrorIs(t, err, lease.ErrUnavailable)
				var skew *ClockSkewError
				require.ErrorAs(t, err, &skew)
				require.Equal(t, -by, skew.Skew.Round(time.Second))
				_, err = m.TryAcquire(t.Context(), request("a", "f"))
				require.NoError(t, err)
			})
		})
	}
}

// TestBehindWhatWasWritten: nobody else is there, but the namespace's time tells.
func TestBehindWhatWasWritten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
		m := backend.New(open(off(2*time.Second)), nil)
		_, err := m.TryAcquire(t.Context(), request("a", "f"))
		require.NoError(t, err)
		require.NoError(t, m.Close())
		_, err = NewStore(t.Context(), f.client(), nil)
		require.ErrorIs(t, err, ErrClockSkew)
		<-time.After(2 * time.Second)
		require.NoError(t, open(nil).Close())
	})
}

// TestClockGoesWrong: a machine whose clock was compared later stops granting,
// and goes on when it is right again.
func TestClockGoesWrong(t *testing.T) {
	bubble(t, func(t *testing.T, _ *fakeEtcd, open func(*Options) *Store) {
		manage(t, open(nil))
		s := open(nil)
		m := manage(t, s)
		l, err := m.TryAcquire(t.Context(), request("a", "f"))
		require.NoError(t, err)
		shift := func(by time.Duration) {
			s.clock.mutex.Lock()
			defer s.clock.mutex.Unlock()
			s.clock.at = s.clock.at.Add(by)
		}
		shift(-time.Second)
		<-time.After(askClocksAfter + time.Second)
		_, err = m.Renew(t.Context(), l.Ref(), 0)
		require.ErrorIs(t, err, ErrClockSkew)
		require.ErrorIs(t, err, lease.ErrUnavailable)
		_, err = m.Stats(t.Context())
		require.ErrorIs(t, err, ErrClockSkew)
		shift(time.Second)
		<-time.After(askClocksAfter + time.Second)
		_, err = m.Stats(t.Context())
		require.NoError(t, err)
	})
}

// TestStepOfTheWallClock: an hour's step changes nothing.
func TestStepOfTheWallClock(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, _ *fakeEtcd, open func(*Options) *Store) {
				var step time.Duration
				stepped := manage(t, open(&Options{wall: func() time.Time { return time.Now().Add(step) }}))
				other := manage(t, open(nil))
				held, err := other.TryAcquire(t.Context(), request("a", "f"))
				require.NoError(t, err)
				step = by
				_, err = stepped.TryAcquire(t.Context(), request("b", "f"))
				require.ErrorIs(t, err, lease.ErrConflict)
				own, err := stepped.TryAcquire(t.Context(), request("b", "g"))
				require.NoError(t, err)
				_, err = other.TryAcquire(t.Context(), request("c", "g"))
				require.ErrorIs(t, err, lease.ErrConflict)
				<-time.After(time.Minute + time.Second)
				require.Zero(t, held.Remaining())
				require.Zero(t, own.Remaining())
				_, err = stepped.TryAcquire(t.Context(), request("b", "f"))
				require.NoError(t, err)
				_, err = other.TryAcquire(t.Context(), request("c", "g"))
				require.NoError(t, err)
			})
		})
	}
}

// TestShortTTL: a lease that would be over before its holder is told is refused.
func TestShortTTL(t *testing.T) {
	bubble(t, func(t *testing.T, _ *fakeEtcd, open func(*Options) *Store) {
		m := manage(t, open(nil))
		r := request("a", "f")
		r.TTL = DefaultMaxSkew
		_, err := m.TryAcquire(t.Context(), r)
		require.ErrorIs(t, err, lease.ErrInvalid)
		r.TTL++
		l, err := m.TryAcquire(t.Context(), r)
		require.NoError(t, err)
		_, err = m.Renew(t.Context(), l.Ref(), DefaultMaxSkew)
		require.ErrorIs(t, err, lease.ErrInvalid)
		l, err = m.Renew(t.Context(), l.Ref(), time.Minute)
		require.NoError(t, err)
		require.LessOrEqual(t, l.Remaining(), time.Minute-DefaultMaxSkew)
		listed, err := m.Get(t.Context(), l.ID)
		require.NoError(t, err)
		require.LessOrEqual(t, listed.Remaining(), time.Minute-DefaultMaxSkew)
	})
}

// TestNobodyAnswers: a process that is known and does not answer is waited for
// shortly.
func TestNobodyAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fakeEtcd, open func(*Options) *Store) {
		_, err := f.client().Put(t.Context(), "leasekit/default/client/gone", "{}")
		require.NoError(t, err)
		begin := time.Now()
		require.NoError(t, open(nil).Close())
		require.Equal(t, clockPatience, time.Since(begin))
		synctest.Wait()
		require.True(t, errors.Is(&ClockSkewError{}, ErrClockSkew))
	})
}
