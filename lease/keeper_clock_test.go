package lease

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// willing grants every renewal, and tells of it.
type willing struct {
	Acquirer
	renewed chan time.Duration
}

func (w willing) Renew(_ context.Context, ref Ref, _ time.Duration) (Lease, error) {
	now := Clock()
	w.renewed <- now
	return granted(ref, now, 10*time.Minute), nil
}

func granted(ref Ref, asked, ttl time.Duration) Lease {
	return Lease{ID: ref.ID, Holder: ref.Holder, Token: ref.Token, Status: Active, TTL: ttl}.Measured(asked, ttl)
}

// A machine that wakes up after the lease's end: its timers know nothing of
// that, yet the loss is told when the clock is next read.
func TestSuspensionPastTheDeadline(t *testing.T) {
	t.Parallel()
	k := NewKeeper(willing{}, nil)
	defer k.Close()
	h, err := k.Keep(t.Context(), granted(Ref{"id", "a", 1}, Clock(), 10*time.Minute), nil)
	require.NoError(t, err)
	k.suspend(time.Hour)
	require.False(t, h.Lease().Valid())
	<-h.Context().Done()
	require.ErrorIs(t, h.Err(), ErrExpired)
}

// After a shorter suspension the renewal that is overdue is made at once.
func TestSuspensionPastTheRenewal(t *testing.T) {
	t.Parallel()
	w := willing{renewed: make(chan time.Duration)}
	k := NewKeeper(w, nil)
	defer k.Close()
	h, err := k.Keep(t.Context(), granted(Ref{"id", "a", 1}, Clock(), 10*time.Minute), nil)
	require.NoError(t, err)
	start := Clock()
	k.suspend(8 * time.Minute)
	require.Less(t, <-w.renewed-start, time.Minute)
	require.NoError(t, h.Err())
}

// suspend makes everything look as if the machine had been suspended until
// now: the clock has gone on, the timers have not.
func (k *Keeper) suspend(by time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range k.schedule {
		h.lease.asked -= by
		h.next -= by
		h.deadline -= by
		h.due -= by
		h.progress.Add(-int64(by))
	}
}

// What is valid counts by Clock alone, and so do the parts of what remains.
func TestLeaseCountsByTheClock(t *testing.T) {
	asked := Clock() - time.Minute
	l := granted(Ref{"id", "a", 1}, asked, time.Hour)
	require.InDelta(t, 59*time.Minute-time.Second, l.Remaining(), float64(time.Second)/2)
	require.InDelta(t, 0, time.Until(l.Deadline())-l.Remaining(), float64(time.Second)/2)
	require.False(t, granted(Ref{"id", "a", 1}, asked, time.Minute).Valid())
	require.Zero(t, granted(Ref{"id", "a", 1}, asked, time.Minute).Remaining())
	require.False(t, Lease{Status: Active, TTL: time.Hour}.Valid(), "not a Manager's reply")
	l.Status = Released
	require.False(t, l.Valid())
	require.Zero(t, l.Deadline())
}

// The margin is of what remains: a lease of an hour may be renewed for less
// than a second.
func TestMarginIsOfWhatRemains(t *testing.T) {
	l := Lease{Status: Active, TTL: time.Hour}.Measured(Clock(), 900*time.Millisecond)
	require.True(t, l.Valid())
	require.Greater(t, l.Remaining(), 700*time.Millisecond)
	require.Less(t, l.Remaining(), 892*time.Millisecond)
	require.Equal(t, time.Millisecond, Margin(10*time.Millisecond))
	require.Equal(t, 100*time.Millisecond, Margin(10*time.Second))
	require.Equal(t, time.Second, Margin(time.Hour))
}
